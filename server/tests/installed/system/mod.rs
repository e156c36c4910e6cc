//! Backups of the system, into a directory as target: made, found by another installation, brought back there, given up, with
//! managers that end in between.

mod crashes;
mod foreign;
mod recurring;
mod whole;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use aurochs_server::resources::system_backup::SystemBackupState;
use aurochs_server::resources::system_restore::SystemRestoreState;
use aurochs_server::resources::{Object, SystemBackup, SystemRestore};
use serde_json::{Value, json};

use crate::installation::Installation;

impl Installation {
    async fn ask_for_system_backup(&self, name: &str, policy: &str) {
        let body = json!({"name": name, "volumeBackupPolicy": policy});
        self.call("POST", "/v1/systembackups", body).await;
    }

    async fn until_system_backup(&self, name: &str) -> Object<SystemBackup> {
        self.until(&format!("system backup {name} is complete"), async |store| {
            let backup = store.find::<SystemBackup>(name).await.unwrap();
            let state = backup.map(|backup| {
                assert_ne!(backup.status.state, SystemBackupState::Error, "{:?}", backup.status);
                backup.status.state
            });
            state == Some(SystemBackupState::Ready)
        })
        .await;
        self.store().get(name).await.unwrap()
    }

    async fn back_the_system_up(&self, name: &str, policy: &str) -> Object<SystemBackup> {
        self.ask_for_system_backup(name, policy).await;
        self.until_system_backup(name).await
    }

    async fn ask_for_system_restore(&self, name: &str, backup: &str) {
        let body = json!({"name": name, "systemBackup": backup});
        self.call("POST", "/v1/systemrestores", body).await;
    }

    async fn until_system_restored(&self, name: &str) -> Object<SystemRestore> {
        self.until(&format!("system restore {name} is complete"), async |store| {
            let status = store.get::<SystemRestore>(name).await.unwrap().status;
            assert_ne!(status.state, SystemRestoreState::Error, "{status:?}");
            status.state == SystemRestoreState::Completed
        })
        .await;
        self.store().get(name).await.unwrap()
    }

    async fn restore_the_system(&self, name: &str, backup: &str) -> Object<SystemRestore> {
        self.ask_for_system_restore(name, backup).await;
        self.until_system_restored(name).await
    }

    /// What a restore of the system is refused with.
    async fn system_restore_refused(&self, name: &str, backup: &str) -> String {
        let body = json!({"name": name, "systemBackup": backup});
        let (status, answer) = self.answer("POST", "/v1/systemrestores", body).await;
        assert!(status.is_client_error(), "{status} {answer}");
        format!("{}; {}", answer["message"].as_str().unwrap(), answer["detail"].as_str().unwrap())
    }
}

/// Where a system backup is.
fn place(target: &Path, version: &str, name: &str) -> PathBuf {
    target.join("backupstore/system-backups").join(version).join(name)
}

/// Files of a zip.
fn unzip(path: &Path) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut files = BTreeMap::new();
    for place in 0..archive.len() {
        let mut file = archive.by_index(place).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        files.insert(file.name().unwrap().into_owned(), text);
    }
    files
}

/// A system backup as others write it, put into a target.
fn plant(target: &Path, version: &str, name: &str, files: &[(&str, &str)]) {
    use sha2::Digest;
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, text) in files {
        writer.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    let zip = writer.finish().unwrap().into_inner();
    let checksum: String = sha2::Sha256::digest(&zip).iter().map(|byte| format!("{byte:02x}")).collect();
    let record = json!({"Name": name, "LonghornVersion": version, "LonghornGitCommit": "0000", "BackupTargetURL": "s3://b@r/",
        "ManagerImage": "longhornio/longhorn-manager:v1.12.1", "EngineImage": "longhornio/longhorn-engine:v1.12.1",
        "CreatedAt": "2026-11-21T02:11:28.82382406Z", "Checksum": checksum});
    let place = place(target, version, name);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("system-backup.zip"), zip).unwrap();
    std::fs::write(place.join("system-backup.cfg"), record.to_string()).unwrap();
}

fn without(mut value: Value, fields: &[&str]) -> Value {
    for field in fields {
        value.as_object_mut().unwrap().remove(*field);
    }
    value
}
