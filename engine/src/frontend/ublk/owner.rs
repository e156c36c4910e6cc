//! What ublk's devices are told apart by: a number that the driver keeps with each for the server and does not look at.
//!
//! | bits | |
//! |---|---|
//! | 63..16 | the same for all devices of a volume; follows from names |
//! | 15..0 | of one attachment: from its token |
//!
//! There is no room for more of the token. It is enough: an engine that starts a device has removed all others of the
//! volume before, so that a second one is there only where an engine of before knew nothing of tokens.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::frontend::tenure::Token;

const TOKEN: u64 = 0xffff;

/// Of all devices of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(u64);

impl Owner {
    pub(super) fn of(volume: &str, place: &Path) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"aurochs ublk device\0");
        hash.update(place.as_os_str().as_bytes());
        hash.update(b"\0");
        hash.update(volume.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let number = digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        // Zero is what devices of others carry.
        Self((number & !TOKEN).max(TOKEN + 1))
    }

    /// Of one device.
    pub(super) fn with(self, token: Token) -> u64 {
        self.0 | token.0 & TOKEN
    }

    /// Whether a device that carries this number is of the volume.
    pub(super) fn is_of(self, carried: u64) -> bool {
        carried & !TOKEN == self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_of_one_volume_in_one_directory() {
        let owner = Owner::of("vol", Path::new("/run/aurochs/volumes/vol"));
        let (first, second) = (owner.with(Token(0x1_0001)), owner.with(Token(2)));
        assert_ne!(first, second);
        assert!(owner.is_of(first) && owner.is_of(second));
        assert_eq!(owner, Owner::of("vol", Path::new("/run/aurochs/volumes/vol")));
        assert!(!owner.is_of(Owner::of("vol", Path::new("/run/other/volumes/vol")).with(Token(2))));
        assert!(!owner.is_of(Owner::of("vol2", Path::new("/run/aurochs/volumes/vol")).with(Token(2))));
        assert!(!owner.is_of(0) && !owner.is_of(7), "devices of others");
    }
}
