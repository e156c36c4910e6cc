//! Making, checking, mounting and growing the file system of a volume.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::content::{self, Content};
use super::device::Device;
use super::mounts::Mount;
use super::programs::{self, LONG, QUICK};
use crate::failure::{Failure, Kind};

/// Beyond Longhorn's own, for file systems that are the same on every node.
const EXT4_ARGUMENTS: [&str; 3] = ["-q", "-b4096", "-m0"];
const XFS_ARGUMENTS: [&str; 3] = ["-q", "-ssize=4096", "-bsize=4096"];
/// What `e2fsck -p` ends with when there was something to mend, and when somebody has to mend it by hand.
const MENDED_MAXIMUM: i32 = 3;
const UNMENDED: i32 = 4;
/// ext4 may leave less than this unused at the end of a device for ever: too little for a group of blocks.
const LEFT_AT_END_BYTES: u64 = 16 << 20;

/// Makes a file system where there is nothing, and checks one that is there.
///
/// Nobody else has the device while it is looked at, and the programs that make file systems take it for themselves in the same
/// way; none of them is told to write over what it finds.
pub(super) async fn prepare(device: &Device, kind: &str, arguments: &[&str]) -> Result<(), Failure> {
    let path = device.path.display();
    let alone = device.open_alone().await?;
    let found = content::of(device).await?;
    drop(alone);
    match found {
        Content::Empty => make(device, kind, arguments).await,
        Content::Typed(found) if is_same(&found, kind) => {
            check(device, kind).await?;
            fill(device, kind).await
        }
        Content::Typed(found) => {
            let message = format_args!("{path} holds {found}, and {kind} is asked for; nothing is written onto it");
            let next_step = format_args!("Ask for {found}, or use another volume.");
            Err(Failure::wrong_state(message, next_step))
        }
        Content::Other(found) => {
            let message = format_args!("{path} holds {found} and no file system; nothing is written onto it");
            let stored = device.below.as_ref().map_or(&device.path, |below| &below.path).display();
            let next_step = format_args!("Use it as a block device. If nobody needs its data: blkdiscard -f {stored}");
            Err(Failure::wrong_state(message, next_step))
        }
    }
}

/// Those of one family mount as one another.
fn is_same(found: &str, wanted: &str) -> bool {
    let is_ext = |kind: &str| matches!(kind, "ext2" | "ext3" | "ext4");
    found == wanted || is_ext(found) && is_ext(wanted)
}

async fn make(device: &Device, kind: &str, arguments: &[&str]) -> Result<(), Failure> {
    let own: &[&str] = match kind {
        "ext4" => &EXT4_ARGUMENTS,
        "xfs" => &XFS_ARGUMENTS,
        _ => &[],
    };
    let all: Vec<&str> = own.iter().chain(arguments).copied().collect();
    tracing::info!(device = %device.path.display(), kind, "the volume is empty; a file system is made");
    let made = programs::run(&format!("mkfs.{kind}"), &all, &[&device.path], LONG).await?;
    made.good(&format!("making {kind} on {}", device.path.display()))?;
    device.write_out().await
}

/// The journal is replayed, and what can be mended without asking is.
async fn check(device: &Device, kind: &str) -> Result<(), Failure> {
    if !is_same("ext4", kind) {
        // xfs replays its journal when it is mounted, and is repaired by hand alone.
        return Ok(());
    }
    let ended = programs::run("e2fsck", &["-p"], &[&device.path], LONG).await?;
    match ended.code {
        Some(0) => Ok(()),
        Some(code) if code <= MENDED_MAXIMUM => {
            tracing::warn!(device = %device.path.display(), told = ended.told(), "the file system was mended");
            Ok(())
        }
        Some(UNMENDED) => {
            let message = format_args!("the file system on {} is damaged: {}", device.path.display(), ended.told());
            let next_step = format_args!(
                "Take a snapshot of the volume, attach it by hand and run e2fsck -f {}, or restore a backup.",
                device.path.display()
            );
            Err(Failure::internal(message, next_step))
        }
        // It did not come to a check; whether it mounts is another question.
        _ => {
            tracing::warn!(device = %device.path.display(), told = ended.told(), "the file system was not checked");
            Ok(())
        }
    }
}

/// An ext4 that is smaller than its device grows before it is mounted: while it is, the kernel asks for the right to exceed
/// limits (`CAP_SYS_RESOURCE`). What does not come to it here is tried again then.
async fn fill(device: &Device, kind: &str) -> Result<(), Failure> {
    let size = device.size().await?.0;
    let path = device.path.clone();
    if !is_same("ext4", kind) {
        return Ok(());
    }
    let filled = device.blocking("looking at", move || Ok(ext4_size(&File::open(path)?))).await?;
    if filled.is_none_or(|filled| filled + LEFT_AT_END_BYTES > size) {
        return Ok(());
    }
    // It grows only after a whole check.
    let checked = programs::run("e2fsck", &["-f", "-p"], &[&device.path], LONG).await?;
    if checked.code.is_none_or(|code| code > MENDED_MAXIMUM) {
        tracing::warn!(device = %device.path.display(), told = checked.told(), "the file system does not grow unmounted");
        return Ok(());
    }
    let grown = programs::run("resize2fs", &[], &[&device.path], LONG).await?;
    if grown.code != Some(0) {
        tracing::warn!(device = %device.path.display(), told = grown.told(), "the file system has not grown unmounted");
    }
    Ok(())
}

/// What an ext2, 3 or 4 says of its size in bytes.
fn ext4_size(device: &File) -> Option<u64> {
    let mut superblock = [0; 1024];
    device.read_exact_at(&mut superblock, 1024).ok()?;
    let number = |at: usize| Some(u64::from(u32::from_le_bytes(superblock.get(at..at + 4)?.try_into().ok()?)));
    let (low, block, incompatible, high) = (number(0x4)?, number(0x18)?, number(0x60)?, number(0x150)?);
    let is_ext = superblock.get(0x38..0x3a) == Some(&[0x53, 0xef]);
    let is_64bit = incompatible & 0x80 != 0;
    let blocks = if is_64bit { high << 32 | low } else { low };
    is_ext.then(|| blocks.checked_mul(1024_u64.checked_shl(u32::try_from(block).ok()?)?)).flatten()
}

pub(super) async fn mount(device: &Device, kind: &str, options: &[String], at: &Path) -> Result<(), Failure> {
    let mut all: Vec<&str> = options.iter().map(String::as_str).filter(|option| !option.is_empty()).collect();
    if kind == "xfs" && !all.contains(&"nouuid") {
        // A clone on the same node has the same one.
        all.push("nouuid");
    }
    let options = all.join(",");
    let mut words = vec!["-t", kind];
    if !options.is_empty() {
        words.extend(["-o", &options]);
    }
    words.push("--");
    let mounted = programs::run("mount", &words, &[&device.path, at], LONG).await?;
    mounted.good(&format!("mounting {} at {}", device.path.display(), at.display())).map(drop)
}

/// Lets a mounted file system fill its device. One that does already stays as it is.
pub(super) async fn grow(mount: &Mount, device: &Device) -> Result<(), Failure> {
    if mount.is_read_only() || mount.is_unwritable() {
        return Ok(());
    }
    let ended = match mount.kind.as_str() {
        "ext2" | "ext3" | "ext4" => programs::run("resize2fs", &[], &[&device.path], LONG).await?,
        "xfs" => programs::run("xfs_growfs", &["-d"], &[&mount.at], LONG).await?,
        kind => {
            tracing::info!(kind, device = %device.path.display(), "file systems of this kind are not grown");
            return Ok(());
        }
    };
    // ext4 asks for more than the right to mount.
    let next_step = if ended.told().contains("Permission denied") {
        "Give the driver the capability CAP_SYS_RESOURCE: ext4 asks for it to grow while it is mounted."
    } else {
        ""
    };
    let grown = ended.good(&format!("growing the file system of {}", device.path.display()));
    grown.map(drop).map_err(|failure| Failure::internal(failure.message, next_step))
}

/// Binds `from` to `to`, where the pod sees it.
pub(super) async fn bind(from: &Path, to: &Path, options: &[String], read_only: bool) -> Result<(), Failure> {
    let mut all = vec!["bind"];
    all.extend(options.iter().map(String::as_str).filter(|option| !option.is_empty()));
    if read_only {
        all.push("ro");
    }
    let options = all.join(",");
    let bound = programs::run("mount", &["-o", &options, "--"], &[from, to], QUICK).await?;
    bound.good(&format!("binding {} to {}", from.display(), to.display())).map(drop)
}

/// Makes a directory to mount on, with those above it.
pub(super) fn directory(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| {
        let message = format_args!("making the directory {} failed: {error}", path.display());
        Failure::new(Kind::Internal, message, "")
    })
}

/// Makes a file to bind a device on.
pub(super) fn file(path: &Path) -> Result<(), Failure> {
    if let Some(above) = path.parent() {
        directory(above)?;
    }
    match std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::internal(format_args!("making {} failed: {error}", path.display()), "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_file_systems() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(40 << 20).unwrap();
        assert_eq!(ext4_size(file.as_file()), None);
        for bits in ["64bit", "^64bit"] {
            let words = ["-q", "-F", "-b4096", "-O", bits];
            let made = std::process::Command::new("mkfs.ext4").args(words).arg(file.path()).arg("32M").status();
            assert!(made.unwrap().success());
            assert_eq!(ext4_size(file.as_file()), Some(32 << 20), "{bits}");
        }
    }

    #[test]
    fn families() {
        assert!(is_same("ext3", "ext4") && is_same("xfs", "xfs"));
        assert!(!is_same("xfs", "ext4") && !is_same("crypto_LUKS", "ext4"));
    }
}
