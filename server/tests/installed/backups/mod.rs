//! Backups of a real installation in a directory as target: made, listed, restored, deleted, followed, with managers that end in
//! between.

mod backing_images;
mod files;
mod foreign;
mod instant;
mod recurring;
mod s3;
mod standby;
mod verification;
mod whole_life;

use std::path::PathBuf;

use aurochs_server::resources::backup::BackupState;
use aurochs_server::resources::{Backup, BackupVolume, Engine, Object, Volume};
use serde_json::{Value, json};

use crate::installation::{Installation, MIB, SIZE, VOLUME};
use crate::nbd::Nbd;

/// A directory that is a target, beside the installation's own.
pub(crate) struct Target {
    pub(crate) directory: tempfile::TempDir,
}

impl Target {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir_in("/var/tmp").unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("vfs://{}", self.directory.path().display())
    }

    /// All files below, the names of whom end so.
    pub(crate) fn files(&self, ending: &str) -> Vec<PathBuf> {
        let (mut found, mut left) = (Vec::new(), vec![self.directory.path().to_owned()]);
        while let Some(directory) = left.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    left.push(path);
                } else if path.to_string_lossy().ends_with(ending) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

impl Installation {
    /// The default target gets an address, and is read.
    pub(crate) async fn set_target(&self, url: &str) {
        let body = json!({"name": "default", "backupTargetURL": url, "pollInterval": "3600"});
        self.call("PUT", "/v1/backuptargets/default", body).await;
        let what = format!("the target {url} is read");
        self.until(&what, async |_| {
            let target = self.call("GET", "/v1/backuptargets/default", Value::Null).await;
            target["available"] == true && !target["lastSyncedAt"].as_str().unwrap().is_empty()
        })
        .await;
    }

    /// Everything in the target is looked at once more.
    async fn sync(&self) {
        let path = "/v1/backuptargets/default?action=backupTargetSync";
        self.call("POST", path, json!({"syncBackupTarget": true})).await;
        self.until("the target is read again", async |store| {
            let target = store.get::<aurochs_server::resources::BackupTarget>("default").await.unwrap();
            target.status.answered_request == target.spec.sync_requested_at
        })
        .await;
    }

    /// Takes a snapshot of this name and asks for its backup; answers with the backup's name.
    async fn ask_for_backup(&self, snapshot: &str) -> String {
        let before = self.backups().await;
        self.act("snapshotCRCreate", json!({"name": snapshot})).await;
        self.act("snapshotBackup", json!({"name": snapshot, "labels": {"of": snapshot}})).await;
        let known = |backup: &Object<Backup>| before.iter().any(|other| other.name() == backup.name());
        let new = self.backups().await.into_iter().find(|backup| !known(backup));
        new.unwrap().name().to_owned()
    }

    async fn back_up(&self, snapshot: &str) -> Object<Backup> {
        let name = self.ask_for_backup(snapshot).await;
        self.until_complete(&name).await
    }

    async fn until_complete(&self, backup: &str) -> Object<Backup> {
        self.until(&format!("backup {backup} is complete and read"), async |store| {
            let backup = store.get::<Backup>(backup).await.unwrap();
            assert_ne!(backup.status.state, BackupState::Error, "{:?}", backup.status);
            backup.status.state == BackupState::Completed && !backup.status.record_version.is_empty()
        })
        .await;
        self.store().get(backup).await.unwrap()
    }

    pub(crate) async fn backups(&self) -> Vec<Object<Backup>> {
        self.store().list().await.unwrap()
    }

    async fn backup_volume(&self) -> Object<BackupVolume> {
        let volumes = self.store().list::<BackupVolume>().await.unwrap();
        volumes.into_iter().find(|volume| volume.spec.volume_name == VOLUME).unwrap()
    }

    async fn restore(&self, volume: &str, url: &str, more: Value) {
        let mut body = json!({"name": volume, "fromBackup": url, "numberOfReplicas": 1, "frontend": "nbd"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.call("POST", "/v1/volumes", body).await;
    }

    pub(crate) async fn until_restored(&self, volume: &str) -> Object<Volume> {
        self.until(&format!("{volume} is restored and let go"), async |store| {
            let volume = store.get::<Volume>(volume).await.unwrap();
            // Last, after it is detached, its wish for a device is as before.
            volume.is_restored()
                && volume.status.state == aurochs_server::resources::volume::VolumeState::Detached
                && !volume.spec.disable_frontend
        })
        .await;
        self.store().get(volume).await.unwrap()
    }

    /// Everything that a volume shows; it is attached for it, and detached afterwards.
    pub(crate) async fn content(&self, volume: &str) -> Vec<u8> {
        let path = |action: &str| format!("/v1/volumes/{volume}?action={action}");
        self.call("POST", &path("attach"), json!({"hostId": "node-1"})).await;
        let name = format!("{volume}-e-0");
        self.until(&format!("{volume} can be read"), async |store| {
            store.get::<Engine>(&name).await.is_ok_and(|engine| !engine.status.nbd_uri.is_empty())
        })
        .await;
        let uri = self.store().get::<Engine>(&name).await.unwrap().status.nbd_uri;
        let content = read(&uri);
        self.call("POST", &path("detach"), json!({})).await;
        content
    }

    /// What the test's own volume shows, while it is attached.
    pub(crate) async fn own_content(&self) -> Vec<u8> {
        read(&self.engine().await.status.nbd_uri)
    }
}

fn read(uri: &str) -> Vec<u8> {
    tokio::task::block_in_place(|| {
        let mut nbd = Nbd::connect(uri).unwrap();
        let pieces = (0..SIZE / MIB).map(|piece| nbd.read(piece * MIB, usize::try_from(MIB).unwrap()).unwrap());
        pieces.collect::<Vec<_>>().concat()
    })
}
