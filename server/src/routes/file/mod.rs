//! Files in the file system inside a snapshot or a backup.
//!
//! For admins alone, and in the audit log: who may look at volumes may not therefore read what is in them.

pub mod content;
pub mod list;

use aurochs_api::file::{BackupFileContentQuestion, BackupFilesQuestion, File, FileContentQuestion, FilesQuestion};
use aurochs_engine::backup::browse::source::SnapshotSource;
use aurochs_engine::backup::browse::{ImagePath, name_text};

use crate::app::App;
use crate::backups::remote;
use crate::error::{ApiError, ErrorKind};
use crate::files::{Disk, Origin, refusal};
use crate::nouns::Noun;
use crate::resources::{Backup, BackupTarget, BackupVolume, Volume};
use crate::routes::shown;
use crate::routes::volume::engine::{RunningEngine, refused};

/// They are of their volume, or of the backups of one, and nowhere else.
pub fn noun() -> Noun {
    Noun::of::<File>()
        .list_at("/v1/volumes/{name}/files", list::of_snapshot)
        .asking::<FilesQuestion>()
        .that_changes()
        .send_at("/v1/volumes/{name}/files/content", content::of_snapshot)
        .asking::<FileContentQuestion>()
        .that_changes()
        .list_at("/v1/backupvolumes/{name}/files", list::of_backup)
        .asking::<BackupFilesQuestion>()
        .that_changes()
        .send_at("/v1/backupvolumes/{name}/files/content", content::of_backup)
        .asking::<BackupFileContentQuestion>()
        .that_changes()
        .done()
}

fn path(text: &str) -> Result<ImagePath, ApiError> {
    ImagePath::parse(&name_text::meant(text)).map_err(|error| refusal(&error, Origin::Snapshot))
}

/// The disk as the snapshot has it.
async fn snapshot(app: &App, volume: &str, snapshot: &str) -> Result<Disk, ApiError> {
    if snapshot.is_empty() {
        let next_step = "Name one with ?snapshot=; the action snapshotList tells their names.";
        let message = "files are read out of a snapshot, and none is named";
        return Err(ApiError::new(ErrorKind::Invalid, message, next_step));
    }
    let volume = app.store.get::<Volume>(volume).await?;
    let volume = volume.name();
    let engine = RunningEngine::find(app, volume).await?.ok_or_else(|| {
        let message = format_args!("volume {volume} is not attached, so its snapshots can't be read");
        ApiError::new(ErrorKind::Conflict, message, "Attach it, then try again.")
    })?;
    engine.snapshot(snapshot).await?;
    let opened = SnapshotSource::open(engine.client(), volume, snapshot).await;
    let opened =
        opened.map_err(|status| refused(&format!("reading snapshot {snapshot} of volume {volume}"), &status))?;
    Ok(Disk::of_snapshot(opened))
}

/// The disk as the backup has it, read out of its target by the manager: no node is asked.
async fn backup(app: &App, volume: &str, backup: &str) -> Result<Disk, ApiError> {
    let of = app.store.get::<BackupVolume>(volume).await;
    let of = of.map_err(|error| shown::unknown::<BackupVolume>(error, volume))?;
    if backup.is_empty() {
        let message = "files are read out of a backup, and none is named";
        let next_step = "Name one with ?backup=; the action backupList tells their names.";
        return Err(ApiError::new(ErrorKind::Invalid, message, next_step));
    }
    let found = app.store.find::<Backup>(backup).await?;
    let found =
        found.filter(|found| found.volume() == of.spec.volume_name && found.target() == of.spec.backup_target_name);
    let found = found.ok_or_else(|| {
        let message = format_args!("backup volume {volume} has no backup named {backup:?}");
        ApiError::new(ErrorKind::NotFound, message, "backupList tells their names.")
    })?;
    let target = app.store.get::<BackupTarget>(found.target()).await?;
    let store = app.backups.store(target.name(), &target.spec).await?;
    Ok(Disk::of_backup(remote::disk(&store, found.volume(), found.name_in_target()).await?))
}
