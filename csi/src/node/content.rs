//! What a device holds: the question before anything is written onto it.
//!
//! Empty is what was read without error, has no signature that `blkid` knows, and is zeros where file systems, partition tables,
//! RAID and encryption have their heads: the first and the last [`AREA_BYTES`]. A volume that was never written is so. What
//! `blkid` does not know and is not zeros is somebody's data, such as a database's on a raw device.
//!
//! What was never written of an encrypted volume reads as noise. So the zeros are looked for where its bytes are stored: whoever
//! wrote there wrote no zeros.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use aurochs_api::size::MIB;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::device::Device;
use super::programs::{self, Ended, QUICK};
use crate::failure::Failure;

/// Looked at for zeros at either end.
const AREA_BYTES: u64 = 4 * MIB;
/// Read at once.
const PIECE_BYTES: usize = 128 << 10;
/// What `blkid` ends with when it has found nothing, and when it has found several things.
const NOTHING: i32 = 2;
const SEVERAL: i32 = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// It can be formatted.
    Empty,
    /// A file system, or something else that `blkid` has a type for: `ext4`, `crypto_LUKS`.
    Typed(String),
    /// A partition table, or what nobody knows. In words.
    Other(String),
}

/// Reads what it takes to know. A device that can't be read is an error, and not empty.
pub(super) async fn of(device: &Device) -> Result<Content, Failure> {
    let known = known(device).await?;
    // Also what blkid has found is worth nothing when the device does not answer: it says nothing of errors.
    let zeros = zeros(device).await?;
    Ok(match known {
        Some(content) => content,
        None if zeros => Content::Empty,
        None => Content::Other("data of an unknown kind".to_owned()),
    })
}

/// What `blkid` knows of it; none says nothing of whether it is empty.
pub(super) async fn known(device: &Device) -> Result<Option<Content>, Failure> {
    let words = ["-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export", "--"];
    told(programs::run("blkid", &words, &[&device.path], QUICK).await?)
}

/// None where nothing is known.
fn told(ended: Ended) -> Result<Option<Content>, Failure> {
    match ended.code {
        Some(0) => {}
        Some(NOTHING) => return Ok(None),
        Some(SEVERAL) => return Ok(Some(Content::Other("signatures of several kinds".to_owned()))),
        _ => return ended.good("blkid").map(|_| None),
    }
    let value = |key: &str| {
        let line = ended.output.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
    };
    Ok(Some(match (value("TYPE"), value("PTTYPE")) {
        (Some(kind), _) => Content::Typed(kind),
        (None, Some(table)) => Content::Other(format!("a partition table ({table})")),
        (None, None) => Content::Other("a signature that blkid has no name for".to_owned()),
    }))
}

async fn zeros(device: &Device) -> Result<bool, Failure> {
    let (path, begin) = match &device.below {
        Some(below) => (below.path.clone(), below.offset),
        None => (device.path.clone(), 0),
    };
    let read = move || {
        let mut file = File::open(path)?;
        // What is written through the device above does not change what the kernel has in memory of this one.
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
        let end = file.seek(SeekFrom::End(0))?;
        are_zeros(&file, begin..end)
    };
    device.blocking("reading", read).await
}

fn are_zeros(file: &File, range: Range<u64>) -> std::io::Result<bool> {
    let mut piece = vec![0; PIECE_BYTES];
    let is_empty = range.is_empty();
    let head = range.start..range.end.min(range.start.saturating_add(AREA_BYTES));
    let tail = range.end.saturating_sub(AREA_BYTES).max(head.end)..range.end;
    for area in [head, tail] {
        let mut at = area.start;
        while at < area.end {
            let length = usize::try_from(area.end - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let Some(part) = piece.get_mut(..length) else { break };
            file.read_exact_at(part, at)?;
            if part.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += length as u64;
        }
    }
    // Nothing can be said of a device without content.
    Ok(!is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32, output: &str) -> Result<Option<Content>, Failure> {
        told(Ended { code: Some(code), output: output.to_owned(), errors: String::new() })
    }

    #[test]
    fn what_blkid_says() {
        assert_eq!(ended(2, ""), Ok(None));
        assert_eq!(ended(0, "DEVNAME=/dev/x\nTYPE=ext4\n"), Ok(Some(Content::Typed("ext4".into()))));
        assert!(matches!(ended(0, "PTTYPE=gpt\n"), Ok(Some(Content::Other(what))) if what.contains("gpt")));
        assert!(matches!(ended(0, "DEVNAME=/dev/x\n"), Ok(Some(Content::Other(_)))));
        assert!(matches!(ended(8, ""), Ok(Some(Content::Other(_)))));
        assert!(ended(4, "usage").is_err() && ended(1, "").is_err());
        assert!(told(Ended { code: None, output: String::new(), errors: String::new() }).is_err());
    }

    #[test]
    fn zeros_at_both_ends() {
        let file = tempfile::tempfile().unwrap();
        for size in [1, 512, AREA_BYTES, AREA_BYTES + 1, 3 * AREA_BYTES, 10 * MIB] {
            file.set_len(0).unwrap();
            file.set_len(size).unwrap();
            assert!(are_zeros(&file, 0..size).unwrap(), "{size}");
            for at in [0, size / 3, size - 1] {
                file.write_all_at(&[1], at).unwrap();
                let is_looked_at = at < AREA_BYTES || at >= size - AREA_BYTES;
                assert_eq!(are_zeros(&file, 0..size).unwrap(), !is_looked_at, "{size} {at}");
                file.write_all_at(&[0], at).unwrap();
            }
        }
        file.set_len(3 * MIB).unwrap();
        for (at, is_looked_at) in [(0, false), (MIB - 1, false), (MIB, true), (3 * MIB - 1, true)] {
            file.write_all_at(&[1], at).unwrap();
            assert_eq!(are_zeros(&file, MIB..3 * MIB).unwrap(), !is_looked_at, "{at}");
            file.write_all_at(&[0], at).unwrap();
        }
        assert!(!are_zeros(&file, 0..0).unwrap() && !are_zeros(&file, MIB..MIB).unwrap());
        assert!(are_zeros(&file, 0..20 * MIB).is_err(), "what can't be read is not empty");
    }
}
