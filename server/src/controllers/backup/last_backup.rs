//! The newest backup of a volume, as the volume shows it.

use crate::controllers::{Context, Error};
use crate::resources::backup::{BackupState, LABEL_BACKUP_VOLUME};
use crate::resources::volume::VolumeStatus;
use crate::resources::{Backup, Object, Volume};

/// Name and moment of the newest backup that is complete.
fn newest<'a>(backups: &'a [Object<Backup>], target: &str) -> Option<(&'a str, &'a str)> {
    let counts = |backup: &&Object<Backup>| {
        backup.status.state == BackupState::Completed && backup.target() == target && !backup.is_deleting()
    };
    let told = |backup: &'a Object<Backup>| (backup.status.snapshot_created_at.as_str(), backup.name_in_target());
    backups.iter().filter(counts).map(told).max().map(|(at, name)| (name, at))
}

/// Writes it where it has changed: in the volume of this name, and in those that follow its backups.
pub async fn note_all(context: &Context, target: &str, volume: &str) -> Result<(), Error> {
    let backups = context.store.list_labelled::<Backup>(LABEL_BACKUP_VOLUME, volume).await?;
    let newest = newest(&backups, target);
    for found in context.store.list_shared::<Volume>().await? {
        let is_own = found.name() == volume && found.is_restored();
        let follows = found.status.is_standby && found.followed_volume().as_deref() == Some(volume);
        let (name, at) = newest.unwrap_or_default();
        let is_told = found.status.last_backup == name && found.status.last_backup_at == at;
        if !(is_own || follows) || found.spec.backup_target_name != target || is_told {
            continue;
        }
        let change = |status: &mut VolumeStatus| {
            name.clone_into(&mut status.last_backup);
            at.clone_into(&mut status.last_backup_at);
        };
        match context.store.modify_status::<Volume>(found.name(), change).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::backup::{BackupSpec, LABEL_BACKUP_TARGET};

    #[test]
    fn the_newest_complete_one_of_its_target() {
        let backup = |name: &str, second: u32, state: BackupState, target: &str| {
            let mut backup = Object::<Backup>::new(name, BackupSpec::default());
            backup.status.state = state;
            backup.status.snapshot_created_at = format!("2026-11-21T10:00:{second:02}Z");
            backup.metadata.labels.insert(LABEL_BACKUP_TARGET.to_owned(), target.to_owned());
            backup
        };
        use BackupState::{Completed, Error, InProgress};
        let all = [
            backup("z", 1, Completed, "default"),
            backup("a", 2, Completed, "default"),
            backup("running", 9, InProgress, "default"),
            backup("failed", 8, Error, "default"),
            backup("elsewhere", 7, Completed, "offsite"),
        ];
        assert_eq!(newest(&all, "default"), Some(("a", "2026-11-21T10:00:02Z")));
        assert_eq!(newest(&all, "nowhere"), None);
    }
}
