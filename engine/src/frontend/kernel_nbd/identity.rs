//! What the kernel's devices are told apart by: the text that the driver keeps with each, and shows.
//!
//! `aurochs:<volume> of <run directory> #<token>`. What is before the token is the same for all devices of a volume, and
//! follows from names; the token is of one attachment.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::frontend::tenure::Token;

/// Of all devices of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity(String);

impl Identity {
    /// Other directories may have volumes of the same name. `place` is named in one way only, whoever asks.
    pub(super) fn of(volume: &str, place: &Path) -> Self {
        Self(format!("aurochs:{volume} of {}", place.as_os_str().as_bytes().escape_ascii()))
    }

    /// Of one device.
    pub(super) fn with(&self, token: Token) -> String {
        format!("{} #{token}", self.0)
    }

    /// Whether this is, or was, a device of the volume. Those of engines that knew no tokens are.
    pub(super) fn is_of(&self, backend: &str) -> bool {
        let rest = backend.strip_prefix(self.0.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix(" #").is_some_and(is_token))
    }
}

fn is_token(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_one_volume_in_one_place_are_its_own() {
        let identity = Identity::of("vol", Path::new("/run/a"));
        let (first, second) = (identity.with(Token(1)), identity.with(Token(u64::MAX)));
        assert_eq!(first, "aurochs:vol of /run/a #0000000000000001");
        assert_ne!(first, second);
        assert!(identity.is_of(&first) && identity.is_of(&second) && identity.is_of("aurochs:vol of /run/a"));
        let others = [Identity::of("vol", Path::new("/run/a2")), Identity::of("vol2", Path::new("/run/a"))];
        for other in others.iter().map(|other| other.with(Token(1))) {
            assert!(!identity.is_of(&other), "{other}");
        }
        assert!(!identity.is_of("aurochs:vol of /run/a #b of /run/c") && !identity.is_of(""));
    }
}
