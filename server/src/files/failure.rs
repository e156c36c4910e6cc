//! Why a file can't be had, in HTTP's words.

use aurochs_engine::backup::browse::BrowseError;

use crate::error::{ApiError, ErrorKind};

/// The one table of kinds.
pub(crate) fn refusal(error: &BrowseError) -> ApiError {
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
            (ErrorKind::Conflict, "Clone the snapshot to a volume, attach it, and mount it where its kind is known.")
        }
        BrowseError::Damaged(_) | BrowseError::Limit(_) => (
            ErrorKind::Conflict,
            "Clone the snapshot to a volume and check its file system there; this one stays as it is.",
        ),
        BrowseError::Cancelled => (ErrorKind::Timeout, "Try again; take less at a time."),
        _ => (ErrorKind::Unavailable, "Look at the volume's state; try again when it is attached and healthy."),
    };
    ApiError::new(kind, error, next_step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_questions_and_bad_disks_are_told_apart() {
        let kind = |error| refusal(&error).kind;
        assert_eq!(kind(BrowseError::NotFound { path: "/x".into() }), ErrorKind::NotFound);
        assert_eq!(kind(BrowseError::BadPath { path: "..".into(), why: "" }), ErrorKind::Invalid);
        assert_eq!(kind(BrowseError::Encrypted("LUKS")), ErrorKind::Conflict);
        assert_eq!(kind(BrowseError::Source(std::io::ErrorKind::TimedOut.into())), ErrorKind::Unavailable);
    }
}
