//! Deletions take what nobody needs, and never anything else.

use std::collections::BTreeSet;
use std::fs;

use aurochs_engine::backup::delete::{delete_backup_with, delete_volume_with};
use aurochs_engine::backup::restore::restore_with;
use aurochs_engine::backup::{BackupError, BackupRecord, Deleted, Progress, VolumeRecord, layout};

use crate::QUICK;
use crate::archive::{self, Manifest, Place};
use crate::volume::{Memory, restoring};

async fn delete(place: &Place, volume: &str, backup: &str) -> Deleted {
    delete_backup_with(&place.store, volume, backup, QUICK).await.unwrap()
}

/// Paths of the blocks that these backups name.
async fn needed(place: &Place, volume: &str, backups: &[&str]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for backup in backups {
        let record = BackupRecord::load_complete(&place.store, volume, backup).await.unwrap();
        paths.extend(record.blocks.entries().iter().map(|entry| layout::block(volume, &entry.checksum)));
    }
    paths
}

async fn check_restores(place: &Place, manifest: &Manifest, gone: &[&str], what: &str) {
    for backup in manifest.backups.iter().filter(|backup| !gone.contains(&&*backup.backup)) {
        let sink = Memory::empty(backup.restored_size);
        let request = restoring(&backup.volume, &backup.backup);
        restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await.unwrap();
        assert_eq!(sink.sha256(), backup.restored_sha256, "{what}: {}", backup.backup);
    }
}

#[tokio::test]
async fn exactly_the_blocks_that_no_other_backup_names_go() {
    for name in archive::all().iter().filter(|name| *name != "b10-interrupted") {
        let (_, manifest) = Place::golden(name).await;
        for victim in &manifest.backups {
            let (place, _) = Place::golden(name).await;
            let volume = &victim.volume;
            let others: Vec<&str> = manifest
                .backups
                .iter()
                .filter(|backup| backup.volume == *volume && backup.backup != victim.backup)
                .map(|backup| &*backup.backup)
                .collect();
            let what = format!("{name} without {}", victim.backup);
            let before = place.blocks(volume).len() as u64;
            let deleted = delete(&place, volume, &victim.backup).await;
            let left: BTreeSet<String> = place.blocks(volume).into_iter().collect();
            assert_eq!(left, needed(&place, volume, &others).await, "{what}");
            assert_eq!(deleted.removed_blocks, before - left.len() as u64, "{what}");
            assert_eq!((deleted.existed, &deleted.blocks_kept_because), (true, &None), "{what}");
            let record = VolumeRecord::load(&place.store, volume).await.unwrap();
            assert_eq!(record.block_count, left.len() as u64, "{what}");
            check_restores(&place, &manifest, &[&victim.backup], &what).await;
            // Once more is fine: whoever asked may not have heard the answer.
            assert!(!delete(&place, volume, &victim.backup).await.existed);
        }
    }
}

#[tokio::test]
async fn the_last_backup_is_the_one_that_was_started_last() {
    let (place, _) = Place::golden("b02-gzip").await;
    let last = async || {
        let record = VolumeRecord::load(&place.store, "vol-gzip").await.unwrap();
        (record.last_backup_name, record.last_backup_at)
    };
    assert_eq!(last().await.0, "backup-3");
    delete(&place, "vol-gzip", "backup-1").await;
    assert_eq!(last().await.0, "backup-3");
    let second = BackupRecord::load_complete(&place.store, "vol-gzip", "backup-2").await.unwrap();
    delete(&place, "vol-gzip", "backup-3").await;
    assert_eq!(last().await, ("backup-2".to_owned(), second.snapshot_created_at));
    delete(&place, "vol-gzip", "backup-2").await;
    assert_eq!(last().await, (String::new(), String::new()));
    assert_eq!(place.blocks("vol-gzip"), [""; 0]);
}

#[tokio::test]
async fn whatever_is_in_doubt_keeps_all_blocks() {
    let doubts: [(&str, &[u8]); 5] = [
        ("backup_cut.cfg", b"{\"Name\":\"cut\",\"Volu"),
        ("backup_new.cfg", b"{\"Name\":\"new\",\"VolumeName\":\"vol-gzip\",\"CreatedTime\":\"\"}"),
        ("backup_stranger.cfg", b"{\"Name\":\"other\",\"VolumeName\":\"vol-gzip\",\"CreatedTime\":\"x\"}"),
        ("backup_a b.cfg", b"{}"),
        ("copy of backup.cfg", b"{}"),
    ];
    for (file, text) in doubts {
        let (place, manifest) = Place::golden("b02-gzip").await;
        fs::write(place.path(&layout::backups("vol-gzip")).join(file), text).unwrap();
        let before = place.blocks("vol-gzip");
        let deleted = delete(&place, "vol-gzip", "backup-2").await;
        assert!(deleted.blocks_kept_because.is_some(), "{file}");
        assert_eq!(place.blocks("vol-gzip"), before, "{file}");
        check_restores(&place, &manifest, &["backup-2"], file).await;
        // The next deletion without doubt takes what was left.
        fs::remove_file(place.path(&layout::backups("vol-gzip")).join(file)).unwrap();
        let deleted = delete(&place, "vol-gzip", "backup-2").await;
        assert!(deleted.removed_blocks > 0 && deleted.blocks_kept_because.is_none(), "{deleted:?}");
        check_restores(&place, &manifest, &["backup-2"], file).await;
    }
}

#[tokio::test]
async fn files_of_others_among_the_blocks_stay() {
    let (place, _) = Place::golden("b02-gzip").await;
    let folder = place.path(&layout::blocks("vol-gzip"));
    let strangers = ["note.txt", "00/11/note.blk", "00/11/deeper/x.blk"];
    for stranger in strangers {
        let path = folder.join(stranger);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"mine").unwrap();
    }
    for backup in ["backup-1", "backup-2", "backup-3"] {
        delete(&place, "vol-gzip", backup).await;
    }
    let left: Vec<String> = place.blocks("vol-gzip");
    assert_eq!(left.len(), strangers.len(), "{left:?}");
}

#[tokio::test]
async fn a_dead_backup_goes_with_what_it_stored() {
    let (place, manifest) = Place::golden("b10-interrupted").await;
    let before = place.blocks("vol-int").len();
    let deleted = delete(&place, "vol-int", "interrupted").await;
    assert!(deleted.removed_blocks > 0, "{deleted:?}");
    assert_eq!(place.blocks("vol-int").len() as u64, before as u64 - deleted.removed_blocks);
    check_restores(&place, &manifest, &[], "b10").await;
}

#[tokio::test]
async fn a_volume_goes_with_everything_and_leaves_the_others() {
    let (place, manifest) = Place::golden("b08-multi").await;
    delete_volume_with(&place.store, "v0", QUICK).await.unwrap();
    assert!(!place.files().keys().any(|path| path.contains("/v0/")));
    assert!(!place.path("backupstore/volumes/7a").exists(), "empty directories stay");
    let rest = manifest.backups.into_iter().filter(|backup| backup.volume != "v0").collect();
    check_restores(&place, &Manifest { backups: rest, ..manifest }, &[], "b08").await;
    delete_volume_with(&place.store, "v0", QUICK).await.unwrap();
    let missing = delete_backup_with(&place.store, "v0", "bk.2_x", QUICK).await;
    assert!(matches!(missing, Err(BackupError::NoVolume { .. })), "{missing:?}");
    assert!(!place.files().keys().any(|path| path.contains("/v0/")));
}
