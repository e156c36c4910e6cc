//! Checksums of what a reader would get.

use sha2::{Digest, Sha256};

use super::{Replica, ReplicaError};

/// Bytes hashed at a time.
const PIECE: u32 = 1 << 20;

impl Replica {
    /// SHA-256 of what [`Replica::read`] would give.
    ///
    /// # Errors
    /// As [`Replica::read`].
    pub fn checksum(&self, offset: u64, length: u32) -> Result<[u8; 32], ReplicaError> {
        self.check_range("a checksum", offset, u64::from(length))?;
        let mut hasher = Sha256::new();
        let mut done = 0;
        while done < length {
            let piece = (length - done).min(PIECE);
            hasher.update(&self.read(offset + u64::from(done), piece)?[..]);
            done += piece;
        }
        Ok(hasher.finalize().into())
    }
}
