//! Why a file can't be had, in HTTP's words.

use aurochs_engine::backup::browse::BrowseError;

use crate::error::{ApiError, ErrorKind};

/// What a disk is of: what a person can do when it can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Snapshot,
    Backup,
}

impl Origin {
    const fn whole_volume(self) -> &'static str {
        match self {
            Self::Snapshot => "Clone the snapshot to a volume, attach it, and mount it where its kind is known.",
            Self::Backup => "Restore the backup to a volume, attach it, and mount it where its kind is known.",
        }
    }

    const fn check(self) -> &'static str {
        match self {
            Self::Snapshot => {
                "Clone the snapshot to a volume and check its file system there; this one stays as it is."
            }
            Self::Backup => "Restore the backup to a volume and check its file system there; this one stays as it is.",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::Snapshot => "Look at the volume's state; try again when it is attached and healthy.",
            Self::Backup => "Test the backup target; try again when it answers.",
        }
    }
}

/// The one table of kinds.
pub(crate) fn refusal(error: &BrowseError, of: Origin) -> ApiError {
    let (kind, next_step) = match error {
        BrowseError::NotFound { .. } => (ErrorKind::NotFound, "List the directory above it to see what is there."),
        BrowseError::NotADirectory { .. }
        | BrowseError::IsADirectory { .. }
        | BrowseError::NotAFile { .. }
        | BrowseError::BadPath { .. }
        | BrowseError::TooManyLinks { .. } => (ErrorKind::Invalid, "List the directory above it to see what is there."),
        BrowseError::ChoosePartition(_) | BrowseError::NoPartition { .. } => {
            (ErrorKind::Invalid, "Name one of these partitions by its number, with ?partition=.")
        }
        BrowseError::NoFileSystem(_) | BrowseError::Encrypted(_) | BrowseError::Unsupported { .. } => {
            (ErrorKind::Conflict, of.whole_volume())
        }
        BrowseError::Damaged(_) | BrowseError::Limit(_) => (ErrorKind::Conflict, of.check()),
        BrowseError::Cancelled => (ErrorKind::Timeout, "Try again; take less at a time."),
        _ => (ErrorKind::Unavailable, of.source()),
    };
    ApiError::new(kind, error, next_step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_questions_and_bad_disks_are_told_apart() {
        let kind = |error| refusal(&error, Origin::Snapshot).kind;
        assert_eq!(kind(BrowseError::NotFound { path: "/x".into() }), ErrorKind::NotFound);
        assert_eq!(kind(BrowseError::BadPath { path: "..".into(), why: "" }), ErrorKind::Invalid);
        assert_eq!(kind(BrowseError::Encrypted("LUKS")), ErrorKind::Conflict);
        assert_eq!(kind(BrowseError::Source(std::io::ErrorKind::TimedOut.into())), ErrorKind::Unavailable);
        let next_step = |of| refusal(&BrowseError::Damaged("it ends early".into()), of).next_step;
        assert!(next_step(Origin::Backup).contains("Restore") && next_step(Origin::Snapshot).contains("Clone"));
    }
}
