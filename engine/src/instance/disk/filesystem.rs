//! The file system that a disk lies on.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, NFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC,
};
use nix::sys::statvfs::FsFlags;

use super::DiskError;
use crate::frontend::fuse_loop::mounts::{self, Mount};

pub(super) struct Filesystem {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) mount_point: PathBuf,
    pub(super) device: PathBuf,
    pub(super) read_only: bool,
    pub(super) maximum_bytes: u64,
    pub(super) available_bytes: u64,
    pub(super) maximum_file_bytes: u64,
}

pub(super) fn of(path: &Path) -> Result<Filesystem, DiskError> {
    let io = |what| move |source| DiskError::Io { what, path: path.to_owned(), source };
    let figures = nix::sys::statvfs::statvfs(path).map_err(|errno| io("ask the size of")(errno.into()))?;
    let magic = nix::sys::statfs::statfs(path).map_err(|errno| io("ask the file system of")(errno.into()))?;
    let metadata = std::fs::metadata(path).map_err(io("look at"))?;
    // A mount table that can't be read costs names, not the disk.
    let mount = path.canonicalize().ok().and_then(|path| holding(mounts::all().unwrap_or_default(), &path));
    let kind = match &mount {
        Some(mount) => mount.kind.clone(),
        None => name_of(magic.filesystem_type()),
    };
    Ok(Filesystem {
        maximum_file_bytes: largest_file(&kind, figures.block_size()),
        kind,
        // Some file systems have no number of their own; their device has one.
        id: match figures.filesystem_id() {
            0 => format!("dev-{:x}", metadata.dev()),
            id => format!("{id:x}"),
        },
        mount_point: mount.as_ref().map(|mount| mount.mount_point.clone()).unwrap_or_default(),
        device: mount.map(|mount| mount.source).unwrap_or_default(),
        read_only: figures.flags().contains(FsFlags::ST_RDONLY),
        maximum_bytes: figures.blocks() * figures.fragment_size(),
        available_bytes: figures.blocks_available() * figures.fragment_size(),
    })
}

/// The mount that `path` lies on: the longest mount point above it, and of several at one place the last, which covers
/// the others.
fn holding(mounts: Vec<Mount>, path: &Path) -> Option<Mount> {
    let above = mounts.into_iter().filter(|mount| path.starts_with(&mount.mount_point));
    above.max_by_key(|mount| mount.mount_point.components().count())
}

/// Largest file in bytes, 0 for unknown. A replica's layer is one sparse file of the volume's size, so that a larger
/// volume can't lie there, however little of it is written.
fn largest_file(kind: &str, block_bytes: u64) -> u64 {
    match kind {
        // Extents count blocks with 32 bits.
        "ext4" => u64::from(u32::MAX) * block_bytes,
        // `i_blocks` counts units of 512 bytes with 32 bits.
        "ext2" | "ext3" => u64::from(u32::MAX) * 512,
        // The kernel's own limit, 2^63 − 1.
        "xfs" | "btrfs" | "tmpfs" => i64::MAX.cast_unsigned(),
        _ => 0,
    }
}

fn name_of(magic: FsType) -> String {
    let known = [
        (EXT4_SUPER_MAGIC, "ext4"),
        (XFS_SUPER_MAGIC, "xfs"),
        (BTRFS_SUPER_MAGIC, "btrfs"),
        (TMPFS_MAGIC, "tmpfs"),
        (OVERLAYFS_SUPER_MAGIC, "overlay"),
        (NFS_SUPER_MAGIC, "nfs"),
    ];
    let found = known.iter().find(|(known, _)| *known == magic);
    found.map_or_else(|| format!("{:x}", magic.0), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_files() {
        for (kind, block_bytes, wanted) in [
            ("ext4", 4096, (16 << 40) - 4096),
            ("ext4", 1024, (4 << 40) - 1024),
            ("xfs", 4096, (1 << 63) - 1),
            ("zfs", 4096, 0),
        ] {
            assert_eq!(largest_file(kind, block_bytes), wanted, "{kind}");
        }
    }

    #[test]
    fn the_root_lies_on_the_root() {
        let root = of(Path::new("/")).unwrap();
        assert_eq!(root.mount_point, Path::new("/"));
        assert!(!root.kind.is_empty() && !root.id.is_empty() && root.maximum_bytes > 0);
        // A mount of its own on every Linux.
        assert_eq!(of(Path::new("/proc/self/task")).unwrap().mount_point, Path::new("/proc"));
    }
}
