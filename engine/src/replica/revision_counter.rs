//! `revision.counter`: 4096 bytes, a decimal number followed by NULs. It counts writes and discards.
//!
//! Longhorn writes it beside every write; here it is counted in memory and written at flush and close, so after a
//! crash it may be behind. Our engines judge replicas by epoch and generation and never by this number.

use std::sync::atomic::{AtomicU64, Ordering};

use super::directory::Directory;
use super::error::ReplicaError;
use super::names;
use crate::disk::BLOCK_SIZE;

#[derive(Debug)]
pub(crate) struct RevisionCounter {
    value: AtomicU64,
    /// The value in the file.
    stored: std::sync::Mutex<u64>,
}

impl RevisionCounter {
    pub(crate) fn load(directory: &Directory) -> Result<Self, ReplicaError> {
        let value = match directory.read(names::REVISION_COUNTER)? {
            None => 0,
            Some(content) => parse(&content)?,
        };
        Ok(Self { value: AtomicU64::new(value), stored: std::sync::Mutex::new(value) })
    }

    pub(crate) fn create(directory: &Directory) -> Result<(), ReplicaError> {
        Ok(directory.replace(names::REVISION_COUNTER, &encode(0), 0o600)?)
    }

    pub(crate) fn count(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, value: u64) {
        self.value.store(value, Ordering::Relaxed);
    }

    /// Writes the value out if it moved.
    pub(crate) fn store(&self, directory: &Directory) -> Result<(), ReplicaError> {
        let mut stored = self.stored.lock().map_err(|_| ReplicaError::poisoned())?;
        let value = self.get();
        if *stored != value {
            directory.replace(names::REVISION_COUNTER, &encode(value), 0o600)?;
            *stored = value;
        }
        Ok(())
    }
}

fn encode(value: u64) -> Vec<u8> {
    let mut content = value.to_string().into_bytes();
    content.resize(BLOCK_SIZE as usize, 0);
    content
}

fn parse(content: &[u8]) -> Result<u64, ReplicaError> {
    let text = String::from_utf8_lossy(content);
    let text = text.trim_matches('\0');
    text.parse()
        .map_err(|_| ReplicaError::corrupt(names::REVISION_COUNTER, format!("{text:?} is not a decimal number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_a_number_in_front() {
        let content = encode(35);
        assert_eq!((content.len(), &content[..3]), (4096, &b"35\0"[..]));
        assert_eq!(parse(&content).unwrap(), 35);
        assert!(parse(b"x").is_err() && parse(b"").is_err());
    }
}
