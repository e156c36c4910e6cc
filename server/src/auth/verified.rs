//! Passwords that were right a moment ago, so that a script with HTTP Basic does not pay for bcrypt on each request.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// How long a checked password is taken as checked.
const KEEP: Duration = Duration::from_secs(5 * 60);
/// More scripts than this at a time pay for bcrypt again.
const ENTRIES_MAXIMUM: usize = 1024;

/// Keyed hash of name, password and the stored hash. A changed password has another stored hash, so it is checked anew.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CredentialMark([u8; 32]);

/// The memory of right passwords. The key lives as long as the process: a memory dump gives no hashes to attack offline
/// without it.
pub(crate) struct Verified {
    key: [u8; 32],
    entries: HashMap<CredentialMark, Instant>,
}

impl Verified {
    pub(crate) fn new() -> Self {
        Self { key: rand::random(), entries: HashMap::new() }
    }

    pub(crate) fn mark(&self, name: &str, password: &str, stored_hash: &str) -> CredentialMark {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        for part in [name, password, stored_hash] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        CredentialMark(mac.finalize().into_bytes().into())
    }

    /// Whether it was right a moment ago. Who uses it keeps it: only a pause costs another check, and another password
    /// has another mark.
    pub(crate) fn renew(&mut self, mark: CredentialMark, now: Instant) -> bool {
        let Some(until) = self.entries.get_mut(&mark).filter(|until| now < **until) else { return false };
        *until = now + KEEP;
        true
    }

    pub(crate) fn insert(&mut self, mark: CredentialMark, now: Instant) {
        if self.entries.len() >= ENTRIES_MAXIMUM {
            self.entries.retain(|_, until| now < *until);
        }
        if self.entries.len() < ENTRIES_MAXIMUM {
            self.entries.insert(mark, now + KEEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_for_a_while_and_only_as_it_was() {
        let mut verified = Verified::new();
        let now = Instant::now();
        let mark = verified.mark("ann", "secret", "hash");
        verified.insert(mark, now);
        let used = now + KEEP - Duration::from_secs(1);
        assert!(verified.renew(mark, used));
        assert!(verified.renew(mark, used + KEEP - Duration::from_secs(1)), "who uses it keeps it");
        assert!(!verified.renew(mark, used + 3 * KEEP));
        for (name, password, hash) in [("ann", "secret", "new"), ("ann", "secre", "thash"), ("anns", "ecret", "hash")] {
            assert!(verified.mark(name, password, hash) != mark);
        }
    }
}
