//! `backing.cfg`: what the file beside it is. One JSON object, Longhorn's keys:
//!
//! | key | what |
//! |---|---|
//! | `name` | path of the file |
//! | `uuid` | of the image |
//! | `size`, `virtualSize`, `realSize` | bytes of the file, of its content, on the disk |
//! | `expectedChecksum`, `currentChecksum` | SHA-512 that it had to have, and that it has |
//! | `modificationTime` | of the file, as Go writes times: `2026-11-01 10:00:00.5 +0000 UTC` |
//!
//! It speaks of the file for as long as the file's size and time are those that it tells.

use std::fs::{self, File, Metadata};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::place::sync_directory;
use super::{ImageError, Place};

/// The file has some hundred bytes; a larger one is not this file.
const SIZE_MAXIMUM: u64 = 64 << 10;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) uuid: String,
    pub(super) size: u64,
    pub(super) virtual_size: u64,
    pub(super) real_size: u64,
    pub(super) expected_checksum: String,
    pub(super) current_checksum: String,
    pub(super) modification_time: String,
}

impl Record {
    /// The record of an image that is there, if it speaks of the file as it is now. Blocks.
    pub(super) fn of(place: &Place) -> Option<Self> {
        let facts = fs::metadata(place.file()).ok().filter(Metadata::is_file)?;
        let record = Self::read(place)?;
        record.speaks_of(&facts).then_some(record)
    }

    /// What is written there, be it out of date.
    pub(super) fn read(place: &Place) -> Option<Self> {
        let path = place.record();
        let length = fs::metadata(&path).ok()?.len();
        if length > SIZE_MAXIMUM {
            return None;
        }
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    fn speaks_of(&self, facts: &Metadata) -> bool {
        self.size == facts.len()
            && self.current_checksum.len() == 128
            && facts.modified().is_ok_and(|time| go_time(time) == self.modification_time)
    }

    /// Writes it in the place of an older one, durably. Blocks.
    pub(super) fn write(&self, place: &Place) -> Result<(), ImageError> {
        let path = place.record();
        let unfinished = path.with_extension("cfg.tmp");
        let text = serde_json::to_vec(self).map_err(|error| ImageError::Source(error.to_string()))?;
        let written = || {
            let mut file = File::options().write(true).create(true).truncate(true).mode(0o644).open(&unfinished)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        written().map_err(ImageError::at("write", &path))?;
        sync_directory(&place.directory())
    }
}

/// Bytes that a file takes on its disk: `st_blocks` counts units of 512 bytes whatever the file system.
pub(super) fn real_size(facts: &Metadata) -> u64 {
    facts.blocks() * 512
}

/// A time as Go's `Time.String` has it in UTC, with as many digits of the second as it needs.
pub(super) fn go_time(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (date, (hour, minute, second, nanosecond)) = (time.date(), time.time().as_hms_nano());
    let fraction = format!("{nanosecond:09}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{point}{fraction} +0000 UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_read_as_go_writes_them() {
        let at = |seconds: u64, nanoseconds: u32| go_time(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds));
        assert_eq!(at(0, 0), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(at(1_700_000_000, 120_000_000), "2023-11-14 22:13:20.12 +0000 UTC");
        assert_eq!(at(1_700_000_000, 1), "2023-11-14 22:13:20.000000001 +0000 UTC");
    }

    #[test]
    fn the_keys_are_those_of_longhorn() {
        let text =
            serde_json::to_string(&Record { name: "/d/backing".into(), size: 512, ..Record::default() }).unwrap();
        let expected = r#"{"name":"/d/backing","uuid":"","size":512,"virtualSize":0,"realSize":0,"expectedChecksum":"","currentChecksum":"","modificationTime":""}"#;
        assert_eq!(text, expected);
    }
}
