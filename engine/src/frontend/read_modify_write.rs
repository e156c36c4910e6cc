//! Changing a range by what is in it.

use super::IoError;

/// Why a range is as it was; where its write failed, parts of it may have been written.
#[derive(Clone, Debug)]
pub enum Unchanged<N> {
    /// Whoever asked did not want to change what is there.
    Declined(N),
    NotRead(IoError),
    NotWritten(IoError),
}
