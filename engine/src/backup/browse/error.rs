//! Why a file can't be had.

use std::io;

/// Why a file, a directory or a whole file system can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrowseError {
    #[error("there is no {path}")]
    NotFound { path: String },

    #[error("{path} is no directory; name a directory, or read it as a file")]
    NotADirectory { path: String },

    #[error("{path} is a directory; list it, or take it as a tar")]
    IsADirectory { path: String },

    #[error("{path} is a {kind}: there is nothing in it to read")]
    NotAFile { path: String, kind: &'static str },

    #[error("{path:?} can't be looked for: {why}")]
    BadPath { path: String, why: &'static str },

    #[error("the symbolic links in {path} lead to each other; read the link itself to see where it points to")]
    TooManyLinks { path: String },

    /// There is nothing that is known, or something that is known not to be a file system.
    #[error("no file system that can be browsed: {0}")]
    NoFileSystem(String),

    #[error(
        "the content is encrypted ({0}), so its files can't be seen from outside; restore it and open it with its key"
    )]
    Encrypted(&'static str),

    #[error("{filesystem} can't be browsed yet: {why}; restore it or attach the volume, and mount it")]
    Unsupported { filesystem: &'static str, why: String },

    #[error("there are several partitions; say which one: {0}")]
    ChoosePartition(String),

    #[error("there is no partition {number}; there is {known}")]
    NoPartition { number: u32, known: String },

    #[error("the file system is damaged: {0}; check it (fsck) after a restore")]
    Damaged(String),

    #[error("{0}")]
    Limit(String),

    #[error("reading ended early, as was asked")]
    Cancelled,

    #[error("the data can't be read: {0}")]
    Source(io::Error),

    /// Where the tar goes to.
    #[error("what was read can't be written: {0}")]
    Sink(io::Error),
}

impl BrowseError {
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    /// Whether it is about this one file, so that what lies beside it can still be read.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        !matches!(self, Self::Cancelled | Self::Source(_) | Self::Sink(_) | Self::Limit(_))
    }
}

/// So that files can be given to whoever takes a [`std::io::Read`].
impl From<BrowseError> for io::Error {
    fn from(error: BrowseError) -> Self {
        Self::other(error)
    }
}

/// What was an error of ours before it went through a [`std::io::Read`] is it again.
impl From<io::Error> for BrowseError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(other) => Self::Source(other),
        }
    }
}
