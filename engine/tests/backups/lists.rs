//! Lists: damage does not stop them, and what did not change is not read again.

use std::collections::BTreeMap;
use std::fs::{self, File};

use aurochs_engine::backup::{self, BackupError, ListedBackup, Read, layout};

use futures::StreamExt;

use crate::archive::Place;

fn versions(listed: &[ListedBackup]) -> BTreeMap<String, String> {
    listed.iter().map(|backup| (backup.name.clone(), backup.version.clone())).collect()
}

/// Replaces a file's content and leaves its size and time: whoever reads it notices, and nobody else.
fn spoil(path: &std::path::Path) {
    let facts = fs::metadata(path).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![b'x'; facts.len() as usize], 0).unwrap();
    file.set_modified(facts.modified().unwrap()).unwrap();
}

#[tokio::test]
async fn ten_thousand_backups_are_listed_and_only_those_that_changed_are_read_again() {
    let (place, _) = Place::golden("b02-gzip").await;
    let folder = place.path(&layout::backups("vol-gzip"));
    let text = fs::read_to_string(folder.join("backup_backup-1.cfg")).unwrap();
    for number in 0..10_000 {
        let name = format!("backup-n{number:05}");
        fs::write(folder.join(format!("backup_{name}.cfg")), text.replace("\"backup-1\"", &format!("\"{name}\"")))
            .unwrap();
    }
    let first = backup::list_backups(&place.store, "vol-gzip", &BTreeMap::new()).await.unwrap();
    assert_eq!(first.len(), 10_003);
    assert!(first.iter().all(|backup| matches!(&backup.record, Read::Is(summary) if summary.name == backup.name)));
    let known = versions(&first);
    for name in first.iter().map(|backup| &backup.name) {
        spoil(&folder.join(format!("backup_{name}.cfg")));
    }
    let changed = folder.join("backup_backup-n00007.cfg");
    fs::remove_file(&changed).unwrap();
    fs::write(&changed, text.replace("\"backup-1\"", "\"backup-n00007\"")).unwrap();
    fs::remove_file(folder.join("backup_backup-n00008.cfg")).unwrap();
    let second = backup::list_backups(&place.store, "vol-gzip", &known).await.unwrap();
    assert_eq!(second.len(), 10_002);
    for backup in second {
        let is_new = backup.name == "backup-n00007";
        assert_eq!(matches!(backup.record, Read::Is(_)), is_new, "{}", backup.name);
        assert_eq!(matches!(backup.record, Read::Unchanged), !is_new, "{}", backup.name);
    }
}

#[tokio::test]
async fn damage_and_strangers_are_listed_and_stop_nothing() {
    let (place, _) = Place::golden("b08-multi").await;
    let folder = place.path(&layout::backups("v0"));
    let good = fs::read(folder.join("backup_bk.2_x.cfg")).unwrap();
    fs::write(folder.join("backup_cut.cfg"), &good[..good.len() / 2]).unwrap();
    fs::write(folder.join("backup_empty.cfg"), b"").unwrap();
    fs::write(folder.join("backup_other.cfg"), &good).unwrap();
    fs::write(folder.join("backup_noise.cfg"), b"\xff\xfe\x00{").unwrap();
    fs::write(folder.join("notes.txt"), b"mine").unwrap();
    fs::create_dir(folder.join("backup_dir.cfg")).unwrap();
    let listed = backup::list_backups(&place.store, "v0", &BTreeMap::new()).await.unwrap();
    let found: Vec<_> = listed.iter().map(|backup| (&*backup.name, matches!(backup.record, Read::Is(_)))).collect();
    assert_eq!(found, [("bk.2_x", true), ("cut", false), ("empty", false), ("noise", false), ("other", false)]);
    for backup in &listed[1..] {
        let Read::Damaged(error) = &backup.record else { panic!("{backup:?}") };
        assert!(error.to_string().contains(&format!("backup_{}.cfg", backup.name)), "{error}");
    }
    // A volume without a record, one with a damaged one, one in a wrong place, and files that are no folders.
    fs::create_dir_all(place.path(&layout::backups("empty-one"))).unwrap();
    fs::write(place.path(&layout::volume_record("Vol_A.b-c")), b"{").unwrap();
    fs::create_dir_all(place.path("backupstore/volumes/00/00/elsewhere")).unwrap();
    fs::write(place.path("backupstore/volumes/file"), b"").unwrap();
    fs::write(place.path("backupstore/volumes/7a/file"), b"").unwrap();
    let volumes = backup::list_volumes(&place.store).await.unwrap();
    let multi = "pvc-6f1c2a54-1e0b-4c8e-9b0f-0a4de6f0a001";
    assert_eq!(volumes, ["Vol_A.b-c", "empty-one", multi, "v0"]);
    for (volume, is_good) in volumes.iter().zip([false, false, true, true]) {
        let read = backup::read_volume(&place.store, volume, None).await.unwrap();
        assert_eq!(matches!(read.record, Read::Is(_)), is_good, "{volume}");
        assert_eq!(matches!(read.record, Read::Damaged(_)), !is_good, "{volume}");
        let again = backup::read_volume(&place.store, volume, Some(&read.version)).await.unwrap();
        assert_eq!(matches!(again.record, Read::Unchanged), volume != "empty-one", "{volume}");
    }
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    let (place, _) = Place::golden("b08-multi").await;
    for name in ["..", "a/../../b", "", "x"] {
        let refused = backup::list_backups(&place.store, name, &BTreeMap::new()).await;
        assert!(matches!(refused, Err(BackupError::InvalidName { .. })), "{refused:?}");
        let refused = backup::delete_backup(&place.store, "v0", name).await;
        assert!(matches!(refused, Err(BackupError::InvalidName { .. })), "{refused:?}");
    }
}

/// What cannot be read now is told, and all the others are read.
#[tokio::test]
async fn a_record_that_cannot_be_read_keeps_no_other_from_being_read() {
    let (place, _) = Place::golden("b02-gzip").await;
    let folder = place.path(&layout::backups("vol-gzip"));
    // Its first byte cannot be read, whoever tries.
    std::os::unix::fs::symlink("/proc/self/mem", folder.join("backup_unreadable.cfg")).unwrap();
    let records = backup::read_backups(&place.store, "vol-gzip", &BTreeMap::new()).await.unwrap();
    assert_eq!(records.names.len(), 4);
    let read: Vec<_> = records.read.collect().await;
    for (name, read) in &read {
        assert_eq!(read.is_err(), name == "unreadable", "{name}: {read:?}");
    }
    assert_eq!(read.len(), 4);
    let all = backup::list_backups(&place.store, "vol-gzip", &BTreeMap::new()).await;
    assert!(matches!(all, Err(BackupError::Store(_))), "{all:?}");
}

/// A record that is no record is not taken into memory.
#[tokio::test]
async fn what_is_too_large_for_a_record_is_damaged() {
    let (place, _) = Place::golden("b02-gzip").await;
    let path = place.path(&layout::volume_record("vol-gzip"));
    let mut text = fs::read(&path).unwrap();
    text.resize(2 << 20, b' ');
    fs::write(&path, &text).unwrap();
    let read = backup::read_volume(&place.store, "vol-gzip", None).await.unwrap();
    let Read::Damaged(error) = &read.record else { panic!("{read:?}") };
    assert!(error.to_string().contains("larger than"), "{error}");
}
