//! What a replica keeps of a volume that is still in a backup, partly: one line of JSON.
//!
//! | key | meaning |
//! |---|---|
//! | `version` | 1 |
//! | `target` | URL of the backup target, without credentials |
//! | `volume`, `backup` | what the backup is called there |
//! | `identity` | which backup of that name it is ([`crate::backup::lazy::RemoteBackup::identity`]) |
//! | `block_size` | bytes of each of its blocks |
//! | `size` | bytes of the volume that was backed up |
//! | `remote` | runs of blocks that are not here: the first one's number, and how many. None: the restore is being completed |

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::blocks::Blocks;
use crate::backup::lazy::RemoteBackup;

const VERSION: u32 = 1;

/// One member's map, or the volume's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Map {
    version: u32,
    pub(super) target: String,
    pub(super) volume: String,
    pub(super) backup: String,
    pub(super) identity: String,
    block_size: u64,
    size: u64,
    remote: Vec<(usize, usize)>,
}

impl Map {
    /// Of a volume of which nothing is here.
    pub(super) fn whole(target: &str, volume: &str, name: &str, backup: &RemoteBackup) -> Self {
        let block_size = backup.block_size();
        let mut remote: Vec<(usize, usize)> = Vec::new();
        for entry in backup.blocks() {
            let block = usize::try_from(entry.offset / block_size).unwrap_or(usize::MAX);
            match remote.last_mut() {
                Some((first, count)) if *first + *count == block => *count += 1,
                _ => remote.push((block, 1)),
            }
        }
        Self {
            version: VERSION,
            target: target.to_owned(),
            volume: volume.to_owned(),
            backup: name.to_owned(),
            identity: backup.identity(),
            block_size,
            size: backup.size(),
            remote,
        }
    }

    /// # Errors
    /// Why the text can't be used.
    pub(crate) fn decode(text: &str) -> Result<Self, String> {
        let map: Self = serde_json::from_str(text)
            .map_err(|error| format!("what it says is still in a backup does not parse: {error}"))?;
        if map.version != VERSION {
            return Err(format!(
                "what it says is still in a backup has version {}, and this program knows version {VERSION}",
                map.version
            ));
        }
        if map.block_size == 0 || !map.block_size.is_multiple_of(crate::disk::BLOCK_SIZE) {
            return Err(format!("it says that blocks of a backup have {} bytes", map.block_size));
        }
        Ok(map)
    }

    pub(crate) fn encode(&self) -> String {
        // Numbers and texts: there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The same backup with these blocks remote.
    pub(super) fn with(&self, remote: &[Range<usize>]) -> Self {
        Self { remote: remote.iter().map(|run| (run.start, run.len())).collect(), ..self.clone() }
    }

    pub(super) fn blocks(&self) -> Blocks {
        let runs = self.remote.iter().map(|(first, count)| *first..first.saturating_add(*count));
        Blocks::new(self.size, self.block_size, runs)
    }

    /// Bytes of all blocks of the map.
    pub(super) fn remote_bytes(&self) -> u64 {
        self.blocks().remote_bytes()
    }

    /// What the members' maps tell together: a block is remote if every one of them names it (L2).
    ///
    /// # Errors
    /// They are about different backups.
    pub(crate) fn of_all(maps: Vec<Self>) -> Result<Option<Self>, String> {
        let mut maps = maps.into_iter();
        let Some(first) = maps.next() else { return Ok(None) };
        maps.try_fold(first, |one, other| one.and(&other)).map(Some)
    }

    fn and(&self, other: &Self) -> Result<Self, String> {
        let about =
            |map: &Self| (map.target.clone(), map.volume.clone(), map.identity.clone(), map.block_size, map.size);
        if about(self) != about(other) {
            return Err(format!(
                "one replica waits for backup {} of {:?} and another for backup {} of {:?}",
                self.backup, self.volume, other.backup, other.volume
            ));
        }
        let mut both = Vec::new();
        let (mut ours, mut theirs) = (self.remote.iter().peekable(), other.remote.iter().peekable());
        while let (Some((a, a_count)), Some((b, b_count))) = (ours.peek(), theirs.peek()) {
            let (a_end, b_end) = (a.saturating_add(*a_count), b.saturating_add(*b_count));
            let (start, end) = (*a.max(b), a_end.min(b_end));
            if start < end {
                both.push((start, end - start));
            }
            if a_end <= b_end {
                ours.next()
            } else {
                theirs.next()
            };
        }
        Ok(Self { remote: both, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"version":1,"target":"vfs:///backups","volume":"v","backup":"b1","identity":"00ff","block_size":2097152,"size":10485760,"remote":[[0,2],[4,1]]}"#;

    #[test]
    fn golden_text_survives_a_round_trip() {
        let map = Map::decode(TEXT).unwrap();
        assert_eq!(map.encode(), TEXT);
        assert_eq!(map.remote_bytes(), 6 << 20);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (from, to) in [("\"version\":1", "\"version\":2"), ("2097152", "0"), ("\"remote\"", "\"other\"")] {
            assert!(Map::decode(&TEXT.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn a_block_is_remote_where_all_say_so() {
        let with = |remote: &[Range<usize>]| Map::decode(TEXT).unwrap().with(remote);
        let both = Map::of_all(vec![with(&[0..2, 4..5]), with(std::slice::from_ref(&(1..5)))]).unwrap().unwrap();
        assert_eq!(both, with(&[1..2, 4..5]));
        assert_eq!(Map::of_all(vec![both, with(&[])]).unwrap().unwrap(), with(&[]));
        assert_eq!(Map::of_all(vec![]), Ok(None));
        let other = Map { identity: "another".into(), ..with(&[]) };
        assert!(Map::of_all(vec![with(&[]), other]).unwrap_err().contains("backup b1"));
    }
}
