//! A system backup that Longhorn made.

use aurochs_engine::backup::system::{self, SystemBackupName};

use crate::archive::Place;

#[tokio::test]
async fn longhorns_is_listed_read_and_deleted() {
    let (place, _) = Place::golden("b08-multi").await;
    let store = &place.store;
    let names = system::list(store).await.unwrap();
    assert_eq!(names, [SystemBackupName { version: "v1.9.0".into(), name: "golden-sb".into() }]);
    let (record, zip) = system::read(store, "v1.9.0", "golden-sb").await.unwrap();
    assert_eq!(record.checksum, "8b7040f648bb8373937f51d7d50afa30c8161115e8a8b89fab720a95185b0e94");
    assert_eq!(record.created_at, "2026-11-21T02:11:28.82382406Z");
    assert!(!zip.is_empty());

    // A byte of the zip is another one.
    let path = place.path("backupstore/system-backups/v1.9.0/golden-sb/system-backup.zip");
    let mut changed = zip.to_vec();
    changed[0] ^= 1;
    std::fs::write(&path, changed).unwrap();
    let refused = system::read(store, "v1.9.0", "golden-sb").await.unwrap_err().to_string();
    assert!(refused.contains("SHA-256"), "{refused}");
    let before = place.files().len();
    system::delete(store, "v1.9.0", "golden-sb").await.unwrap();
    assert_eq!(system::list(store).await.unwrap(), []);
    assert_eq!(place.files().len(), before - 2, "nothing else is gone");
}
