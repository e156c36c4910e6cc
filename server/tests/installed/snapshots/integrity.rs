//! Hashes of snapshots find what a disk changed.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use aurochs_server::resources::Object;
use aurochs_server::resources::Replica;
use serde_json::json;

use crate::installation::{Installation, MIB};

fn image(replica: &Object<Replica>, snapshot: &str) -> PathBuf {
    PathBuf::from(replica.spec.data_path()).join(format!("volume-snap-{snapshot}.img"))
}

/// Changes a byte behind the replica's back, and lets its checksum still belong to the file: that is how a disk that
/// returns other data than was written looks.
fn corrupt(replica: &Object<Replica>, snapshot: &str) {
    let image = image(replica, snapshot);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&image).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 4096).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 4096).unwrap();
    file.sync_all().unwrap();
    let checksum = PathBuf::from(format!("{}.checksum", image.display()));
    let mut known: serde_json::Value = serde_json::from_slice(&std::fs::read(&checksum).unwrap()).unwrap();
    let metadata = std::fs::metadata(&image).unwrap();
    known["change_time"] = json!(go_time(metadata.ctime(), metadata.ctime_nsec()));
    std::fs::write(&checksum, known.to_string()).unwrap();
}

/// As Go prints a time: a fraction without trailing zeros.
fn go_time(seconds: i64, nanoseconds: i64) -> String {
    let moment = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let whole = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let fraction = format!(".{nanoseconds:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{}{fraction} +0000 UTC", moment.format(whole).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_found_and_the_replica_is_rebuilt() {
    let installation = Installation::with_volume(2, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set("snapshot-data-integrity-immediate-check-after-snapshot-creation", "true").await;
    installation.write(0, 2 * MIB, 7).await;
    installation.act("snapshotCRCreate", json!({"name": "sum"})).await;
    let hashed = installation.until_snapshot("sum", "has a checksum", |one| !one.status.checksum.is_empty()).await;
    assert_eq!(hashed.status.checksum.len(), 16, "{hashed:?}");
    let shown = installation.act("snapshotGet", json!({"name": "sum"})).await;
    assert_eq!(shown["checksum"], json!(hashed.status.checksum));

    let [good, bad] = installation.replicas().await.try_into().unwrap();
    corrupt(&bad, "sum");
    // A time that has come since the last hash, and a policy that reads every byte.
    installation.act("updateSnapshotDataIntegrity", json!({"snapshotDataIntegrity": "enabled"})).await;
    installation.set("snapshot-data-integrity-cronjob", "* * * * *").await;
    installation
        .until("the corrupted replica is out", async |store| {
            let replica = store.find::<Replica>(bad.name()).await.unwrap();
            replica.is_none_or(|replica| !replica.spec.last_failed_at.is_empty())
        })
        .await;
    installation.set("snapshot-data-integrity-cronjob", "0 0 */7 * *").await;
    installation.until_shown("it is whole again", |volume| volume["robustness"] == "healthy").await;
    for replica in installation.replicas().await {
        let content = std::fs::read(image(&replica, "sum")).unwrap();
        assert!(content[..2 * MIB as usize].iter().all(|byte| *byte == 7), "{}", replica.name());
    }
    assert!(installation.replicas().await.iter().any(|replica| replica.name() == good.name()));
    installation.stop().await;
}

/// Nobody else has the data: the replica stays, and the volume says so.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_replica_stays_even_if_it_is_corrupted() {
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set("snapshot-data-integrity-immediate-check-after-snapshot-creation", "true").await;
    installation.write(0, MIB, 7).await;
    installation.act("snapshotCRCreate", json!({"name": "sum"})).await;
    installation.until_snapshot("sum", "has a checksum", |one| !one.status.checksum.is_empty()).await;
    let replica = installation.replicas().await.remove(0);
    corrupt(&replica, "sum");
    installation.act("updateSnapshotDataIntegrity", json!({"snapshotDataIntegrity": "enabled"})).await;
    installation.set("snapshot-data-integrity-cronjob", "* * * * *").await;
    let volume = installation
        .until_shown("it says that its data is damaged", |volume| {
            volume["causes"].as_array().unwrap().iter().any(|cause| cause["code"] == "snapshot-damaged")
        })
        .await;
    assert!(volume["causes"][0]["message"].as_str().unwrap().contains("nobody wrote it"), "{volume:#}");
    assert_eq!((&volume["state"], &volume["robustness"]), (&json!("attached"), &json!("healthy")));
    installation.stop().await;
}
