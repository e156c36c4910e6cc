//! Which names a volume, a backup or a lock may have in a backup store.

use super::BackupError;

/// Longhorn's rule: letters, digits, `_`, `.` and `-`, at least two characters, and the first one a letter or digit.
/// Everything else in a listing belongs to somebody else. No such name can lead out of its directory.
#[must_use]
pub fn is_valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() >= 2
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// Refuses what [`is_valid`] does; `what` is the kind of thing, as in "backup".
///
/// # Errors
/// [`BackupError::InvalidName`].
pub fn check(what: &'static str, name: &str) -> Result<(), BackupError> {
    if is_valid(name) {
        return Ok(());
    }
    Err(BackupError::InvalidName { what, name: name.to_owned() })
}

/// A name for a backup whose user gave none: `backup-` and 16 hexadecimal digits.
#[must_use]
pub fn random_backup() -> String {
    format!("backup-{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_longhorn_takes_them() {
        for good in ["v0", "Vol_A.b-c", "pvc-6f1c2a54", "0.", "bk.1_x", &random_backup()] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "v", ".a", "-a", "_a", "a/b", "..", "a b", "aä", "a\n", "a%2f"] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }
}
