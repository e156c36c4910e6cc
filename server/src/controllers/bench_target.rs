//! A backup target in a directory, for tests of whole passes: a store without any server, and nobody's data.

use std::path::PathBuf;

use aurochs_engine::backup::{BackupRecord, VolumeRecord, layout};

use super::Context;
use crate::resources::backup::{BackupSpec, LABEL_BACKUP_TARGET, LABEL_BACKUP_VOLUME};
use crate::resources::backup_target::BackupTargetSpec;
use crate::resources::{Backup, BackupTarget, Object};

pub(crate) const TARGET: &str = "default";
pub(crate) const VOLUME: &str = "data";

/// A target with its resource, which tells that its address was read.
pub(crate) struct Shelf {
    directory: tempfile::TempDir,
}

impl Shelf {
    pub(crate) async fn new(context: &Context) -> Self {
        let shelf = Self { directory: tempfile::tempdir().unwrap() };
        let spec = BackupTargetSpec { backup_target_url: shelf.url(), ..BackupTargetSpec::default() };
        context.store.create(&Object::<BackupTarget>::new(TARGET, spec)).await.unwrap();
        shelf.tell_synced(context, &shelf.url()).await;
        shelf
    }

    pub(crate) fn url(&self) -> String {
        format!("vfs://{}", self.directory.path().display())
    }

    pub(crate) async fn tell_synced(&self, context: &Context, url: &str) -> Object<BackupTarget> {
        let change = |status: &mut crate::resources::backup_target::BackupTargetStatus| {
            status.available = true;
            url.clone_into(&mut status.synced_url);
        };
        context.store.modify_status::<BackupTarget>(TARGET, change).await.unwrap()
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    fn put(&self, below: &str, text: &[u8]) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn add_volume(&self, volume: &str) {
        let name = volume.to_owned();
        let record = VolumeRecord { name, size: 1 << 30, created_time: moment(0), ..VolumeRecord::default() };
        self.put(&layout::volume_record(volume), &record.encode().unwrap());
    }

    /// A backup without blocks; `None`: one that is not complete.
    pub(crate) fn add_backup(&self, volume: &str, backup: &str, created: Option<&str>) {
        let record = BackupRecord {
            name: backup.to_owned(),
            volume_name: volume.to_owned(),
            snapshot_name: created.map(|_| "s".to_owned()).unwrap_or_default(),
            snapshot_created_at: created.unwrap_or_default().to_owned(),
            created_time: created.unwrap_or_default().to_owned(),
            compression_method: "lz4".to_owned(),
            ..BackupRecord::default()
        };
        self.put(&layout::backup_record(volume, backup), &record.encode().unwrap());
    }

    /// A record of which not a byte can be read, whoever tries.
    pub(crate) fn add_unreadable(&self, volume: &str, backup: &str) {
        let path = self.path(&layout::backup_record(volume, backup));
        std::os::unix::fs::symlink("/proc/self/mem", path).unwrap();
    }

    pub(crate) fn has_backup(&self, volume: &str, backup: &str) -> bool {
        self.path(&layout::backup_record(volume, backup)).exists()
    }
}

pub(crate) fn moment(second: u32) -> String {
    format!("2026-11-21T10:00:{second:02}Z")
}

/// The resource of a backup of [`VOLUME`] in [`TARGET`]. `snapshot`: of one that is made here.
pub(crate) fn backup(name: &str, snapshot: &str) -> Object<Backup> {
    let mut backup =
        Object::<Backup>::new(name, BackupSpec { snapshot_name: snapshot.to_owned(), ..BackupSpec::default() });
    let labels = [(LABEL_BACKUP_TARGET, TARGET), (LABEL_BACKUP_VOLUME, VOLUME)];
    backup.metadata.labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
    backup
}
