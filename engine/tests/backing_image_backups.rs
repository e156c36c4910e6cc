//! Backups of backing images: Longhorn's is read, ours is written like it, and blocks go only when nobody needs them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aurochs_engine::backup::backing_image::{self, BackingImageRecord, CreateImageRequest, ImageBlock};
use aurochs_engine::backup::block::Compression;
use aurochs_engine::backup::{BackupError, Credentials, LockTimes, Progress, Read, Store, Target};
use sha2::{Digest, Sha512};
use tokio::sync::mpsc;

/// Nobody else uses these targets.
const QUICK: LockTimes =
    LockTimes { wait: Duration::from_millis(20), renew: Duration::from_millis(500), lifetime: Duration::from_secs(10) };

async fn open(directory: &Path) -> Store {
    let url = format!("vfs://{}", directory.display()).parse().unwrap();
    Store::open(&Target { url, credentials: Credentials::default() }).await.unwrap()
}

fn sha512(content: &[u8]) -> String {
    Sha512::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn restored(store: &Store, name: &str) -> Result<Vec<u8>, BackupError> {
    let record = BackingImageRecord::load_complete(store, name).await?;
    let (blocks, mut coming) = mpsc::channel::<ImageBlock>(1);
    let mut content = vec![0; usize::try_from(record.size).unwrap()];
    let reading = async {
        while let Some(block) = coming.recv().await {
            let at = usize::try_from(block.offset).unwrap();
            content[at..at + block.data.len()].copy_from_slice(&block.data);
        }
    };
    let (fetched, ()) = tokio::join!(backing_image::restore_with(store, &record, blocks, QUICK), reading);
    fetched?;
    assert_eq!(sha512(&content), record.checksum);
    Ok(content)
}

fn blocks(target: &Path) -> usize {
    let found = Command::new("find").arg(target).args(["-name", "*.blk"]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().filter(|path| path.contains("backing-images")).count()
}

#[tokio::test]
async fn longhorns_is_listed_read_and_deleted() {
    let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/backupstores/b08-multi.tar.zst");
    let mut tar = Command::new("tar");
    let unpacked = tar.args(["--zstd", "--no-same-owner", "-xf"]).arg(archive).arg("-C").arg(scratch.path()).status();
    assert!(unpacked.unwrap().success());
    let place = scratch.path().join("b08-multi");
    let store = open(&place).await;
    let listed = backing_image::list(&store, &BTreeMap::new()).await.unwrap();
    assert_eq!(listed.len(), 1);
    let Read::Is(record) = &listed[0].record else { panic!("{listed:?}") };
    assert_eq!((record.name.as_str(), record.size), ("golden-bi", 5_244_416));
    let known = BTreeMap::from([("golden-bi".to_owned(), listed[0].version.clone())]);
    assert!(matches!(backing_image::list(&store, &known).await.unwrap()[0].record, Read::Unchanged));
    let content = restored(&store, "golden-bi").await.unwrap();
    assert!(sha512(&content).starts_with("78a0c2c2e631039231f5d885b4867ffe"));

    // The same content under another name shares the blocks; ours is written as Longhorn writes it.
    let file = scratch.path().join("image");
    std::fs::write(&file, &content).unwrap();
    let request = CreateImageRequest {
        name: "ours".to_owned(),
        file: file.clone(),
        checksum: sha512(&content),
        labels: BTreeMap::from([("golden".to_owned(), "yes".to_owned())]),
        compression: Compression::Lz4,
        concurrency: 0,
    };
    let before = blocks(&place);
    let progress = Progress::default();
    let made = backing_image::create_with(&store, &request, &progress, QUICK).await.unwrap();
    assert_eq!(progress.now().done, progress.now().planned);
    // A file that was written without holes has its zeros as a block, too.
    assert!(made.block_count >= 2 && blocks(&place) <= before + 1, "{made:?}");
    assert!(restored(&store, "ours").await.unwrap() == content);
    let again = backing_image::create_with(&store, &request, &Progress::default(), QUICK).await.unwrap();
    assert_eq!(again, made, "it is there already");
    let other = CreateImageRequest { checksum: sha512(b"other"), ..request };
    let refused = backing_image::create_with(&store, &other, &Progress::default(), QUICK).await.unwrap_err();
    assert!(matches!(refused, BackupError::BackingImageExists { .. }), "{refused}");

    // What the other one needs stays.
    backing_image::delete_with(&store, "golden-bi", QUICK).await.unwrap();
    assert!(restored(&store, "ours").await.unwrap() == content);
    let deleted = backing_image::delete_with(&store, "ours", QUICK).await.unwrap();
    assert!(deleted.existed && deleted.blocks_kept_because.is_none(), "{deleted:?}");
    assert_eq!(blocks(&place), 0);
    assert!(place.join("backupstore/volumes").is_dir(), "nothing else is gone");
    let missing = restored(&store, "ours").await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
}

/// One that is being made, or died, keeps all blocks; damage is told and is no content.
#[tokio::test]
async fn what_is_in_doubt_stays_and_what_is_damaged_is_not_handed_out() {
    let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
    let target = scratch.path().join("target");
    std::fs::create_dir(&target).unwrap();
    let store = open(&target).await;
    let file = scratch.path().join("image");
    let content: Vec<u8> = (0..3_u32 << 20).map(|at| (at % 251) as u8).collect();
    std::fs::write(&file, &content).unwrap();
    let request = |name: &str| CreateImageRequest {
        name: name.to_owned(),
        file: file.clone(),
        checksum: sha512(&content),
        labels: BTreeMap::new(),
        compression: Compression::None,
        concurrency: 2,
    };
    backing_image::create_with(&store, &request("one-image"), &Progress::default(), QUICK).await.unwrap();
    let path = target.join("backupstore/backing-images/backing-images/one-image/backing-image.cfg");
    let whole = std::fs::read_to_string(&path).unwrap();
    // As one that died looks: no time of completion, no list.
    let dead = target.join("backupstore/backing-images/backing-images/dead-image");
    std::fs::create_dir(&dead).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&whole).unwrap();
    (record["Name"], record["CompleteTime"]) = ("dead-image".into(), "".into());
    record.as_object_mut().unwrap().remove("Blocks");
    std::fs::write(dead.join("backing-image.cfg"), record.to_string()).unwrap();
    let unfinished = restored(&store, "dead-image").await.unwrap_err();
    assert!(matches!(unfinished, BackupError::BackingImageInProgress { .. }), "{unfinished}");
    let deleted = backing_image::delete_with(&store, "one-image", QUICK).await.unwrap();
    assert!(deleted.blocks_kept_because.is_some() && blocks(&target) == 2, "{deleted:?}");
    // It goes on under its name, and what is there is used.
    backing_image::create_with(&store, &request("dead-image"), &Progress::default(), QUICK).await.unwrap();
    assert!(restored(&store, "dead-image").await.unwrap() == content);

    let block = Command::new("find").arg(&target).args(["-name", "*.blk"]).output().unwrap();
    let block = String::from_utf8(block.stdout).unwrap().lines().next().unwrap().to_owned();
    let mut bytes = std::fs::read(&block).unwrap();
    bytes[7] ^= 1;
    std::fs::write(&block, bytes).unwrap();
    let damaged = restored(&store, "dead-image").await.unwrap_err();
    assert!(matches!(damaged, BackupError::BlockDamaged { .. }), "{damaged}");
    assert!(matches!(backing_image::delete(&store, "../x").await, Err(BackupError::InvalidName { .. })));
}
