//! `<image>.checksum`: Longhorn's JSON, byte for byte.
//!
//! | key (order) | meaning |
//! |---|---|
//! | `method` | `crc64` |
//! | `checksum` | CRC-64/GO-ISO of the whole file, holes as zeros: 16 lower-case hex digits |
//! | `change_time` | the file's change time as Go prints it: `2026-11-21 01:54:47.452120998 +0000 UTC` |
//! | `last_hashed_at` | RFC 3339, UTC, whole seconds |
//! | `silently_corrupted` | the last hash found another sum in a file that nobody changed; `checksum` is the first one |

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::super::ReplicaError;
use super::super::metadata::encode;

const METHOD: &str = "crc64";
/// Go's `time.Time.String`: a fraction without trailing zeros, and none at all where it is zero.
const GO_TIME: &str = "%Y-%m-%d %H:%M:%S%.f %z %Z";
const RFC_3339_SECONDS: &str = "%Y-%m-%dT%H:%M:%SZ";

/// The checksum of one snapshot's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotChecksum {
    /// `crc64`.
    pub method: String,
    /// 16 lower-case hex digits.
    pub checksum: String,
    /// Change time of the file when it was hashed; the checksum is valid as long as the file has it.
    pub change_time: String,
    /// RFC 3339, UTC. Empty where a rebuild of Longhorn's took the checksum over.
    pub last_hashed_at: String,
    /// The last hash of the unchanged file found another sum than this one.
    pub silently_corrupted: bool,
}

impl SnapshotChecksum {
    /// What a hash that found `sum` has to record, or a block that the disk has changed (`None`); `known` is the valid checksum
    /// of before.
    pub(super) fn found(sum: Option<u64>, change_time: &str, known: Option<&Self>) -> Self {
        let sum = sum.map(hex).unwrap_or_default();
        let right = known.map_or_else(|| sum.clone(), |known| known.checksum.clone());
        Self {
            method: METHOD.to_owned(),
            silently_corrupted: right != sum,
            checksum: right,
            change_time: change_time.to_owned(),
            last_hashed_at: Timestamp::now().strftime(RFC_3339_SECONDS).to_string(),
        }
    }

    /// `None` where the text is none of ours: then the snapshot has to be hashed anew.
    pub(crate) fn decode(file: &str, text: &[u8]) -> Option<Self> {
        // As Go does: the first JSON value counts.
        let first = serde_json::Deserializer::from_slice(text).into_iter::<Self>().next();
        let known = match first {
            Some(Ok(known)) => known,
            Some(Err(error)) => {
                tracing::warn!(file, %error, "an unreadable checksum is ignored");
                return None;
            }
            None => return None,
        };
        let is_sum = known.checksum.len() == 16 && known.checksum.bytes().all(|digit| digit.is_ascii_hexdigit());
        (known.method == METHOD && is_sum).then_some(known)
    }

    pub(super) fn encode(&self, file: &str) -> Result<Vec<u8>, ReplicaError> {
        encode(file, self)
    }
}

pub(crate) fn hex(sum: u64) -> String {
    format!("{sum:016x}")
}

/// When the file, or what is known of it, last changed.
pub(super) fn change_timestamp(facts: &Metadata) -> Timestamp {
    let nanoseconds = i32::try_from(facts.ctime_nsec()).unwrap_or_default();
    // Fails only for years beyond 9999, which no file system has.
    Timestamp::new(facts.ctime(), nanoseconds).unwrap_or(Timestamp::MAX)
}

/// The same as Go prints it, in this machine's time zone.
pub(crate) fn change_time(facts: &Metadata) -> String {
    go_time(change_timestamp(facts), TimeZone::system())
}

fn go_time(time: Timestamp, zone: TimeZone) -> String {
    time.to_zoned(zone).strftime(GO_TIME).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = "{\"method\":\"crc64\",\"checksum\":\"dccd83f969d67866\",\"change_time\":\"2026-11-21 02:07:29.555336812 +0000 UTC\",\"last_hashed_at\":\"2026-11-21T02:07:29Z\",\"silently_corrupted\":false}\n";

    #[test]
    fn a_golden_text_survives_a_round_trip() {
        let decoded = SnapshotChecksum::decode("x", GOLDEN.as_bytes()).unwrap();
        assert_eq!(decoded.checksum, "dccd83f969d67866");
        assert_eq!(String::from_utf8(decoded.encode("x").unwrap()).unwrap(), GOLDEN);
    }

    #[test]
    fn what_is_no_checksum_counts_as_none() {
        for text in ["", "{", "[]", "{}", "{\"method\":\"sha512\",\"checksum\":\"dccd83f969d67866\"}"] {
            assert_eq!(SnapshotChecksum::decode("x", text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_look_as_go_prints_them() {
        let text = |second, nanosecond, zone| go_time(Timestamp::new(second, nanosecond).unwrap(), zone);
        let second = 1_795_226_087;
        assert_eq!(text(second, 452_120_998, TimeZone::UTC), "2026-11-21 01:54:47.452120998 +0000 UTC");
        assert_eq!(text(second, 452_100_000, TimeZone::UTC), "2026-11-21 01:54:47.4521 +0000 UTC");
        assert_eq!(text(second, 0, TimeZone::UTC), "2026-11-21 01:54:47 +0000 UTC");
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(text(second, 7, berlin), "2026-11-21 02:54:47.000000007 +0100 CET");
    }

    #[test]
    fn the_first_sum_stays_and_says_what_came_later() {
        let first = SnapshotChecksum::found(Some(7), "t", None);
        assert_eq!((first.checksum.as_str(), first.silently_corrupted), ("0000000000000007", false));
        let other = SnapshotChecksum::found(Some(8), "t", Some(&first));
        assert_eq!((other.checksum.as_str(), other.silently_corrupted), ("0000000000000007", true));
        assert!(!SnapshotChecksum::found(Some(7), "t", Some(&other)).silently_corrupted);
    }
}
