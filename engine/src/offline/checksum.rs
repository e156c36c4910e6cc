//! The checksum beside an image: whether it is there, whether it still speaks of this file.

use std::fmt;

use serde::Serialize;

use super::survey::Survey;
use crate::replica::hash::SnapshotChecksum;
use crate::replica::hash::checksum_file::change_time;
use crate::replica::names;

/// Longhorn's `.img.checksum`, as it stands beside its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    Nothing,
    Unreadable,
    /// The image was changed or copied after it was hashed: its change time is another one.
    Stale(SnapshotChecksum),
    Current(SnapshotChecksum),
}

/// Whether the checksum still speaks of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumAge {
    Current,
    Stale,
    Unreadable,
}

impl fmt::Display for ChecksumAge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Unreadable => "unreadable",
        })
    }
}

/// A checksum as `inspect` tells it. Nothing was computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChecksumDescription {
    pub age: ChecksumAge,
    /// CRC-64/GO-ISO of the whole file, 16 hex digits; empty where it cannot be read.
    pub checksum: String,
    /// RFC 3339, UTC.
    pub last_hashed_at: String,
    /// The last hash found other data than the first one, in a file that nobody had changed.
    pub silently_corrupted: bool,
}

/// The checksum beside `image`.
pub(crate) fn beside(survey: &Survey, image: &str) -> Beside {
    let file = names::checksum_of(image);
    let text = match survey.directory.read(&file) {
        Ok(Some(text)) => text,
        Ok(None) => return Beside::Nothing,
        Err(_) => return Beside::Unreadable,
    };
    let Some(checksum) = SnapshotChecksum::decode(&file, &text) else { return Beside::Unreadable };
    match std::fs::symlink_metadata(survey.directory.file(image)) {
        Ok(facts) if change_time(&facts) == checksum.change_time => Beside::Current(checksum),
        _ => Beside::Stale(checksum),
    }
}

impl Beside {
    pub(crate) fn describe(&self) -> Option<ChecksumDescription> {
        let (age, checksum) = match self {
            Self::Nothing => return None,
            Self::Unreadable => (ChecksumAge::Unreadable, SnapshotChecksum::default()),
            Self::Stale(checksum) => (ChecksumAge::Stale, checksum.clone()),
            Self::Current(checksum) => (ChecksumAge::Current, checksum.clone()),
        };
        Some(ChecksumDescription {
            age,
            checksum: checksum.checksum,
            last_hashed_at: checksum.last_hashed_at,
            silently_corrupted: checksum.silently_corrupted,
        })
    }
}
