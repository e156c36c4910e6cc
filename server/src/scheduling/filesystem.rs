//! How large a file may get on a disk's file system: a replica's head is a sparse file as large as the volume.

use aurochs_api::size::{ByteSize, KIB, TIB};

/// With blocks of 4 KiB, the only size that is met in practice: 32-bit block numbers end one block before 16 TiB.
const EXT4_LARGEST: ByteSize = ByteSize(16 * TIB - 4 * KIB);

/// The largest file on this kind of file system, as the instance manager names it; `None` where no volume is too large
/// or the kind is not known. XFS and btrfs take files up to Linux' largest offset. `statfs` has one number for ext2,
/// ext3 and ext4, and tools print it as `ext2/ext3`.
#[must_use]
pub(super) fn largest_file(filesystem: &str) -> Option<ByteSize> {
    filesystem.starts_with("ext").then_some(EXT4_LARGEST)
}
