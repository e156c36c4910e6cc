//! What a restore has to do, from what the volume's snapshots say.

use super::super::barrier::OperationError;
use super::marks::{BackupName, Mark, Marks};

/// The way from what the volume holds to the backup that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// It is there.
    Nothing { snapshot: String },
    /// The volume is empty.
    Full,
    /// The volume is another backup, an older one or one that had the same name.
    Incremental { from: Mark },
    /// The restore of this very backup broke off.
    Resume { from: Option<Mark> },
    /// The restore of another backup broke off: its data goes first.
    Instead { marker: Mark, from: Option<Mark> },
}

impl Plan {
    /// # Errors
    /// [`OperationError::Refused`] where data would be lost that belongs to no backup of that volume.
    pub(super) fn of(marks: Marks, wanted: &BackupName, volume: &str) -> Result<Self, OperationError> {
        let Marks { restored, restoring, has_other_data, .. } = marks;
        let refuse = |why: String| {
            let message = format!("{why}; restore backup {} into a new volume", wanted.backup);
            Err(OperationError::Refused(message))
        };
        let other = restoring.iter().chain(&restored).find(|mark| mark.of.volume != wanted.volume);
        if let Some(Mark { of, .. }) = other {
            return refuse(format!("volume {volume} holds backup {} of volume {:?}", of.backup, of.volume));
        }
        match (restoring, restored) {
            (Some(marker), from) if marker.of.is(wanted) => Ok(Self::Resume { from }),
            (Some(marker), from) => Ok(Self::Instead { marker, from }),
            (None, Some(held)) if has_other_data => {
                refuse(format!("volume {volume} was used since backup {} was restored into it", held.of.backup))
            }
            (None, Some(held)) if held.of.is(wanted) => Ok(Self::Nothing { snapshot: held.snapshot }),
            (None, Some(from)) => Ok(Self::Incremental { from }),
            (None, None) if has_other_data => refuse(format!("volume {volume} holds data or snapshots")),
            (None, None) => Ok(Self::Full),
        }
    }

    /// The backup whose difference to the wanted one is restored.
    pub(super) fn previous(&self) -> Option<&Mark> {
        match self {
            Self::Nothing { .. } | Self::Full => None,
            Self::Incremental { from } => Some(from),
            Self::Resume { from } | Self::Instead { from, .. } => from.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(backup: &str, volume: &str) -> Mark {
        let created = format!("time of {backup}");
        let of = BackupName { volume: volume.to_owned(), backup: backup.to_owned(), created };
        Mark { snapshot: format!("snap-{backup}"), of }
    }

    fn plan(restored: Option<Mark>, restoring: Option<Mark>, has_other_data: bool) -> Result<Plan, String> {
        let marks = Marks { restored, restoring, has_other_data, ..Marks::default() };
        Plan::of(marks, &mark("b2", "v").of, "here").map_err(|error| error.to_string())
    }

    #[test]
    fn every_state_has_its_way() {
        let (old, new) = (Some(mark("b1", "v")), Some(mark("b2", "v")));
        assert_eq!(plan(None, None, false), Ok(Plan::Full));
        assert_eq!(plan(old.clone(), None, false), Ok(Plan::Incremental { from: mark("b1", "v") }));
        assert_eq!(plan(new.clone(), None, false), Ok(Plan::Nothing { snapshot: "snap-b2".to_owned() }));
        assert_eq!(plan(old.clone(), new.clone(), false), Ok(Plan::Resume { from: old.clone() }));
        assert_eq!(plan(None, new, false), Ok(Plan::Resume { from: None }));
        let other = mark("b3", "v");
        let instead = Plan::Instead { marker: other.clone(), from: old.clone() };
        assert_eq!(plan(old, Some(other), false), Ok(instead));
    }

    /// A name that was used again, and a mark of an earlier version, which has no time.
    #[test]
    fn a_backup_of_the_same_name_is_not_taken_for_the_wanted_one() {
        for created in ["earlier", ""] {
            let mut same_name = mark("b2", "v");
            created.clone_into(&mut same_name.of.created);
            let held = Some(same_name.clone());
            assert_eq!(plan(held.clone(), None, false), Ok(Plan::Incremental { from: same_name.clone() }), "{created}");
            let instead = Plan::Instead { marker: same_name.clone(), from: Some(mark("b1", "v")) };
            assert_eq!(plan(Some(mark("b1", "v")), held, false), Ok(instead), "{created}: what came of it goes first");
        }
    }

    #[test]
    fn nobody_elses_data_is_overwritten() {
        assert!(plan(None, None, true).unwrap_err().contains("holds data or snapshots"));
        assert!(plan(Some(mark("b1", "v")), None, true).unwrap_err().contains("was used since backup b1"));
        assert!(plan(Some(mark("b2", "v")), None, true).unwrap_err().contains("was used since backup b2"));
        assert!(plan(Some(mark("b1", "w")), None, false).unwrap_err().contains("backup b1 of volume \"w\""));
        assert!(plan(None, Some(mark("b1", "w")), false).unwrap_err().contains("into a new volume"));
    }
}
