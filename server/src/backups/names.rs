//! Names of the resources of what is found in targets.

use sha2::{Digest, Sha256};

/// `<volume>-<first 8 hex digits of SHA-256("volume-target")>`, as Longhorn names them.
#[must_use]
pub fn backup_volume(volume: &str, target: &str) -> String {
    format!("{volume}-{}", digest(&format!("{volume}-{target}")))
}

/// For a backup whose own name another one has: of another volume, or in another target.
#[must_use]
pub fn of_double(backup: &str, volume: &str, target: &str) -> String {
    format!("{backup}-{}", digest(&format!("{backup}/{volume}/{target}")))
}

/// `backup-` and 16 hex digits.
#[must_use]
pub fn new_backup() -> String {
    format!("backup-{:016x}", rand::random::<u64>())
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_longhorns() {
        // printf %s data-default | sha256sum
        let name = backup_volume("data", "default");
        assert!(name.starts_with("data-") && name.len() == "data-".len() + 8, "{name}");
        assert_ne!(name, backup_volume("data", "other"));
        let backup = new_backup();
        assert!(backup.len() == 23 && backup.starts_with("backup-"), "{backup}");
        assert!(backup[7..].bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
        assert_ne!(of_double("b", "v", "one"), of_double("b", "v", "two"));
    }
}
