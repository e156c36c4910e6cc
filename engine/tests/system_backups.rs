//! A system backup that Longhorn made.

use std::path::Path;
use std::process::Command;

use aurochs_engine::backup::system::{self, SystemBackupName};
use aurochs_engine::backup::{Credentials, Store, Target};

#[tokio::test]
async fn longhorns_is_listed_read_and_deleted() {
    let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/backupstores/b08-multi.tar.zst");
    let mut tar = Command::new("tar");
    let unpacked = tar.args(["--zstd", "--no-same-owner", "-xf"]).arg(archive).arg("-C").arg(scratch.path()).status();
    assert!(unpacked.unwrap().success());
    let place = scratch.path().join("b08-multi");
    let url = format!("vfs://{}", place.display()).parse().unwrap();
    let store = Store::open(&Target { url, credentials: Credentials::default() }).await.unwrap();

    let names = system::list(&store).await.unwrap();
    assert_eq!(names, [SystemBackupName { version: "v1.9.0".into(), name: "golden-sb".into() }]);
    let (record, zip) = system::read(&store, "v1.9.0", "golden-sb").await.unwrap();
    assert_eq!(record.checksum, "8b7040f648bb8373937f51d7d50afa30c8161115e8a8b89fab720a95185b0e94");
    assert_eq!(record.created_at, "2026-11-21T02:11:28.82382406Z");
    assert!(!zip.is_empty());

    // A byte of the zip is another one.
    let directory = place.join("backupstore/system-backups/v1.9.0/golden-sb");
    let mut changed = zip.to_vec();
    changed[0] ^= 1;
    std::fs::write(directory.join("system-backup.zip"), changed).unwrap();
    let refused = system::read(&store, "v1.9.0", "golden-sb").await.unwrap_err().to_string();
    assert!(refused.contains("SHA-256"), "{refused}");
    system::delete(&store, "v1.9.0", "golden-sb").await.unwrap();
    assert_eq!(system::list(&store).await.unwrap(), []);
    assert!(!directory.exists() && place.join("backupstore/volumes").is_dir(), "nothing else is gone");
}
