//! The newest backup of a volume, as the volume shows it.

use std::sync::Arc;

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
    for found in context.store.list_shared::<Volume>().await? {
        if found.spec.backup_target_name == target && shown(&found).as_deref() == Some(volume) {
            note(context, found, volume).await?;
        }
    }
    Ok(())
}

/// Writes it in every volume where it has changed: for who copies what volumes show, right behind a backup's end.
pub async fn note_everywhere(context: &Context) -> Result<(), Error> {
    for found in context.store.list_shared::<Volume>().await? {
        if let Some(volume) = shown(&found) {
            note(context, found, &volume).await?;
        }
    }
    Ok(())
}

/// The volume whose newest backup is shown: its own, or that of the volume which it follows.
fn shown(volume: &Object<Volume>) -> Option<String> {
    if volume.status.is_standby {
        volume.followed_volume()
    } else {
        volume.is_restored().then(|| volume.name().to_owned())
    }
}

/// Invariant: **when this returns, what the volume shows is no older than the backups that were known when it was
/// called**, whoever else writes it: who came with older knowledge looks once more, behind his own writing.
async fn note(context: &Context, mut found: Arc<Object<Volume>>, volume: &str) -> Result<(), Error> {
    loop {
        let backups = context.store.list_labelled::<Backup>(LABEL_BACKUP_VOLUME, volume).await?;
        let (name, at) = newest(&backups, &found.spec.backup_target_name).unwrap_or_default();
        if found.status.last_backup == name && found.status.last_backup_at == at {
            return Ok(());
        }
        let change = |status: &mut VolumeStatus| {
            name.clone_into(&mut status.last_backup);
            at.clone_into(&mut status.last_backup_at);
        };
        found = match context.store.modify_status::<Volume>(found.name(), change).await {
            Ok(noted) => Arc::new(noted),
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
    }
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
