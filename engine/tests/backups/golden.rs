//! What Longhorn stored is read to the byte, and written again to the byte.

use std::path::Path;

use aurochs_engine::backup::image::{ImageRequest, restore_to_file_with};
use aurochs_engine::backup::restore::restore_with;
use aurochs_engine::backup::{self, BackupError, BackupRecord, Progress, Read, RestoreRequest, VolumeRecord};
use aurochs_engine::image_format::Format;

use crate::QUICK;
use crate::archive::{self, Place};
use crate::volume::{Memory, holding, restoring};

#[tokio::test]
async fn every_backup_restores_to_the_hash_of_its_manifest() {
    for name in archive::all() {
        let (place, manifest) = Place::golden(&name).await;
        for backup in &manifest.backups {
            let what = format!("{name}: {} of {}", backup.backup, backup.volume);
            let sink = Memory::empty(backup.restored_size);
            let progress = Progress::default();
            let request = restoring(&backup.volume, &backup.backup);
            let restored = restore_with(&place.store, &request, &sink, &progress, QUICK).await.unwrap();
            assert_eq!((restored.size, restored.is_incremental), (backup.restored_size, false), "{what}");
            assert_eq!(sink.sha256(), backup.restored_sha256, "{what}");
            assert_eq!(progress.now().done, progress.now().planned, "{what}");
            let record = BackupRecord::load_complete(&place.store, &backup.volume, &backup.backup).await.unwrap();
            assert_eq!(progress.now().planned, record.size, "{what}");
            let progress = Progress::default();
            let verified = backup::verify(&place.store, &backup.volume, &backup.backup, None, 0, &progress).await;
            assert!(verified.unwrap().failures.is_empty(), "{what}");
        }
        assert!(!place.files().keys().any(|path| path.contains("/locks/") && !path.contains("vol-int")), "{name}");
    }
}

/// Each after each other of the same volume, whatever the order: forwards, backwards, expanded meanwhile.
#[tokio::test]
async fn every_backup_restores_over_every_other() {
    for name in archive::all() {
        let (place, manifest) = Place::golden(&name).await;
        for before in &manifest.backups {
            for after in manifest.backups.iter().filter(|after| after.volume == before.volume) {
                let sink = Memory::empty(after.restored_size);
                let first = restoring(&before.volume, &before.backup);
                restore_with(&place.store, &first, &sink, &Progress::default(), QUICK).await.unwrap();
                let previous = holding(&place.store, &before.volume, &before.backup, after.restored_size).await;
                let next = RestoreRequest { previous, ..restoring(&after.volume, &after.backup) };
                let restored = restore_with(&place.store, &next, &sink, &Progress::default(), QUICK).await.unwrap();
                let what = format!("{name}: {} over {}", after.backup, before.backup);
                assert_eq!(sink.sha256(), after.restored_sha256, "{what}");
                assert!(restored.is_incremental, "{what}");
                assert!(before.backup != after.backup || restored.fetched_bytes == 0, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn records_are_written_again_as_they_were() {
    let mut records = 0;
    for name in archive::all() {
        let (place, _) = Place::golden(&name).await;
        for (path, text) in place.files() {
            let again = if path.ends_with("/volume.cfg") {
                VolumeRecord::decode(&path, &text).unwrap().encode().unwrap()
            } else if path.contains("/backups/backup_") {
                BackupRecord::decode(&path, &text).unwrap().encode().unwrap()
            } else {
                continue;
            };
            assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&text), "{name}: {path}");
            records += 1;
        }
    }
    assert!(records > 35, "{records}");
}

fn image(volume: &str, backup: &str, output: &Path, format: Format) -> ImageRequest {
    ImageRequest {
        volume: volume.to_owned(),
        backup: backup.to_owned(),
        output: output.to_owned(),
        format,
        overwrite: true,
        checksum: true,
        backing_file: None,
    }
}

#[tokio::test]
async fn image_files_hold_the_same() {
    for name in archive::all() {
        let (place, manifest) = Place::golden(&name).await;
        let output = place.scratch.path().join("image");
        for backup in &manifest.backups {
            for format in [Format::Raw, Format::Qcow2] {
                let request = image(&backup.volume, &backup.backup, &output, format);
                let progress = Progress::default();
                let exported = restore_to_file_with(&place.store, &request, &progress, QUICK).await.unwrap();
                assert_eq!(exported.sha256.as_ref(), Some(&backup.restored_sha256), "{name}: {}", backup.backup);
                assert_eq!(progress.now().done, progress.now().planned);
                if format == Format::Raw {
                    let content = std::fs::read(&output).unwrap();
                    assert_eq!(crate::volume::sha256(&content), backup.restored_sha256);
                }
            }
        }
    }
}

/// Longhorn's own command brings the backing file's data back where zeros were written over it (b2).
#[tokio::test]
async fn over_a_backing_file_written_zeros_stay_zeros() {
    let (place, manifest) = Place::golden("b09-backing").await;
    let raw = place.scratch.path().join("raw.img");
    let converted = std::process::Command::new("qemu-img")
        .args(["convert", "-O", "raw"])
        .args([place.path("backing.qcow2"), raw.clone()])
        .status()
        .unwrap();
    assert!(converted.success());
    for backing in [place.path("backing.qcow2"), raw] {
        for (backup, expected) in &manifest.with_backing {
            for format in [Format::Raw, Format::Qcow2] {
                let output = place.scratch.path().join("image");
                let request = ImageRequest {
                    backing_file: Some(backing.clone()),
                    ..image("vol-backing", backup, &output, format)
                };
                let exported = restore_to_file_with(&place.store, &request, &Progress::default(), QUICK).await.unwrap();
                let expected = &expected.volume_content_sha256_blocks_laid_over_backing;
                assert_eq!(exported.sha256.as_ref(), Some(expected), "{backup} over {}", backing.display());
            }
        }
    }
}

#[tokio::test]
async fn a_backup_in_progress_is_shown_as_such_and_not_restored() {
    let (place, _) = Place::golden("b10-interrupted").await;
    let listed = backup::list_backups(&place.store, "vol-int", &Default::default()).await.unwrap();
    let states: Vec<_> = listed
        .iter()
        .map(|backup| match &backup.record {
            Read::Is(summary) => (backup.name.as_str(), summary.is_in_progress()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states, [("good", false), ("interrupted", true)]);
    let request = restoring("vol-int", "interrupted");
    let sink = Memory::empty(12 << 20);
    let refused = restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await;
    assert!(matches!(refused, Err(BackupError::InProgress { .. })), "{refused:?}");
}
