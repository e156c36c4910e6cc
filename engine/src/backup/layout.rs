//! Where everything lies in a backup store (formats.md §9). Paths are below the target's own path.
//!
//! ```text
//!   backupstore/volumes/<h0h1>/<h2h3>/<volume>/volume.cfg
//!                                             /backups/backup_<backup>.cfg
//!                                             /blocks/<c0c1>/<c2c3>/<checksum>.blk
//!                                             /locks/<lock>.lck
//!   backupstore/backing-images/backing-images/<image>/backing-image.cfg
//!                             /blocks/<c0c1>/<c2c3>/<checksum>.blk
//! ```
//! `h…` are the first digits of the SHA-512 of the volume's name, `c…` those of the block's checksum.

use sha2::{Digest, Sha512};

use super::block::Checksum;
use super::names;

/// Everything of Longhorn's is below this.
pub const ROOT: &str = "backupstore";

/// The directories of all volumes, two levels above them.
pub const VOLUMES: &str = "backupstore/volumes";

/// The directory of a volume. The name is valid, or the path leads somewhere else.
#[must_use]
pub fn volume(name: &str) -> String {
    let digest = Sha512::digest(name.as_bytes());
    format!("{VOLUMES}/{:02x}/{:02x}/{name}", digest[0], digest[1])
}

/// The record of a volume.
#[must_use]
pub fn volume_record(name: &str) -> String {
    format!("{}/volume.cfg", volume(name))
}

/// The directory of a volume's backups.
#[must_use]
pub fn backups(name: &str) -> String {
    format!("{}/backups", volume(name))
}

/// The record of a backup.
#[must_use]
pub fn backup_record(name: &str, backup: &str) -> String {
    format!("{}/backup_{backup}.cfg", backups(name))
}

/// The backup whose record has this file name.
#[must_use]
pub fn backup_of_file(file: &str) -> Option<&str> {
    let name = file.strip_prefix("backup_")?.strip_suffix(".cfg")?;
    names::is_valid(name).then_some(name)
}

/// The directory of a volume's blocks.
#[must_use]
pub fn blocks(name: &str) -> String {
    format!("{}/blocks", volume(name))
}

/// A block, seen from [`blocks`].
#[must_use]
pub fn block_below(checksum: &Checksum) -> String {
    let text = checksum.to_string();
    format!("{}/{}/{text}.blk", &text[..2], &text[2..4])
}

/// A block of a volume.
#[must_use]
pub fn block(name: &str, checksum: &Checksum) -> String {
    format!("{}/{}", blocks(name), block_below(checksum))
}

/// The block whose file has this name, in these two directories; everything else there belongs to somebody else.
#[must_use]
pub fn block_of_file(first: &str, second: &str, file: &str) -> Option<Checksum> {
    let text = file.strip_suffix(".blk")?;
    let checksum: Checksum = text.parse().ok()?;
    (text[..2] == *first && text[2..4] == *second).then_some(checksum)
}

/// The directory of a volume's locks.
#[must_use]
pub fn locks(name: &str) -> String {
    format!("{}/locks", volume(name))
}

/// A lock.
#[must_use]
pub fn lock(name: &str, lock: &str) -> String {
    format!("{}/{lock}.lck", locks(name))
}

/// The directories of all backing images (the name is doubled, as Longhorn has it).
pub const BACKING_IMAGES: &str = "backupstore/backing-images/backing-images";

/// Blocks that all backing images share.
pub const BACKING_IMAGE_BLOCKS: &str = "backupstore/backing-images/blocks";

/// The volume whose locks are those of all backing images; it is none.
pub const BACKING_IMAGE_LOCKS: &str = "BACKINGIMAGE";

/// The record of a backing image.
#[must_use]
pub fn backing_image_record(name: &str) -> String {
    format!("{BACKING_IMAGES}/{name}/backing-image.cfg")
}

/// The single file that a backup of an early Longhorn is.
#[must_use]
pub fn single_file(name: &str, backup: &str) -> String {
    format!("{}/BackupFiles/{backup}.bak", volume(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_seen() {
        assert_eq!(volume("vol-lz4"), "backupstore/volumes/19/25/vol-lz4");
        assert_eq!(volume_record("v0"), "backupstore/volumes/7a/9c/v0/volume.cfg");
        assert_eq!(backup_record("v0", "bk.2_x"), "backupstore/volumes/7a/9c/v0/backups/backup_bk.2_x.cfg");
        let checksum = "8f51d1618a4d32275fed8fc29638da4321aa978656b4aa80eb7a2d6b8f8fca59".parse().unwrap();
        assert_eq!(block("v0", &checksum), format!("backupstore/volumes/7a/9c/v0/blocks/8f/51/{checksum}.blk"));
        assert_eq!(block_of_file("8f", "51", &format!("{checksum}.blk")), Some(checksum));
        assert_eq!(block_of_file("8f", "52", &format!("{checksum}.blk")), None);
        assert_eq!(block_of_file("8f", "51", &format!("{checksum}.blk.tmp.1")), None);
        assert_eq!(lock("v0", "lock-f8cff2330cbb4d88"), "backupstore/volumes/7a/9c/v0/locks/lock-f8cff2330cbb4d88.lck");
    }

    #[test]
    fn files_that_are_no_records() {
        assert_eq!(backup_of_file("backup_bk.2_x.cfg"), Some("bk.2_x"));
        for other in ["backup_.cfg", "backup_a.cfg", "bk.cfg", "backup_bk.cfg.tmp.17", "backup_a b.cfg", "volume.cfg"] {
            assert_eq!(backup_of_file(other), None, "{other}");
        }
    }
}
