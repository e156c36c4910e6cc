//! The life of a volume with a file system: made, mounted, written, snapshotted, copied, grown, given back, deleted.

use std::fs;

use super::installation::{Installation, name, run};
use super::volume::{MIB, Volume, create_request, delete_snapshot, filesystem, may_grow, of_snapshot, of_volume, size};

/// Not compressible, and told by its numbers.
fn content(seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    (0..2 << 20).flat_map(|_| next()).collect()
}

async fn life(kind: &str, bytes: i64) {
    let installation = Installation::start().await;
    let request = create_request(&name(&format!("life-{kind}")), bytes, &filesystem(kind));
    let volume = Volume::create(&installation, request).await.unwrap();
    volume.begin().await;
    let table = run("findmnt", &["-n", "-o", "FSTYPE,OPTIONS", "--mountpoint", volume.target().to_str().unwrap()]);
    assert!(table.starts_with(kind) && table.contains("noatime"), "{table}");
    let file = volume.target().join("file");
    fs::write(&file, content(1)).unwrap();

    // A snapshot of what is there, and more after it.
    let taken = volume.snapshot("snapshot-one", "snap").await.unwrap();
    assert!(taken.ready_to_use && taken.size_bytes == bytes, "{taken:?}");
    assert_eq!(taken.snapshot_id, format!("snap://{}/snapshot-one", volume.id));
    assert_eq!(volume.snapshot("snapshot-one", "snap").await.unwrap(), taken, "the same again");
    fs::write(&file, content(2)).unwrap();

    // It grows below the pod, where the kernel lets it.
    let growth = if may_grow(kind) { 64 * MIB } else { 0 };
    let before = volume.filesystem_bytes().await;
    let grown = volume.expand(bytes + growth).await.unwrap();
    assert!(grown.node_expansion_required && grown.capacity_bytes == bytes + growth, "{grown:?}");
    volume.expand_on_node(bytes + growth).await.unwrap();
    assert!(volume.filesystem_bytes().await >= before + growth * 3 / 4);
    let stats = volume.stats().await.unwrap();
    assert!(!stats.volume_condition.unwrap().abnormal && stats.usage.len() == 2);

    // Nothing is synced by us: what was written last is only in memory.
    fs::write(volume.target().join("last"), content(3)).unwrap();
    volume.end().await;
    assert!(installation.mounts().is_empty(), "{:?}", installation.mounts());
    assert!(!volume.target().exists());

    // The copies have what they are to have, and the volume all of it.
    let mut request = create_request(&name(&format!("restored-{kind}")), bytes, &filesystem(kind));
    request.volume_content_source = Some(of_snapshot(&taken.snapshot_id));
    if growth > 0 {
        let status = Volume::create(&installation, request.clone()).await.map(drop).unwrap_err();
        assert_eq!(status.code(), tonic::Code::OutOfRange, "its source has grown since then: {status}");
    }
    request.capacity_range = size(bytes + growth);
    let restored = Volume::create(&installation, request).await.unwrap();
    check_copy(&restored, &[("file", 1)]).await;
    let mut request = create_request(&name(&format!("clone-{kind}")), bytes + growth, &filesystem(kind));
    request.volume_content_source = Some(of_volume(&volume.id));
    let clone = Volume::create(&installation, request).await.unwrap();
    // Beside its source on the same node, with the same UUID.
    volume.begin().await;
    check_copy(&clone, &[("file", 2), ("last", 3)]).await;
    assert_eq!(fs::read(&file).unwrap(), content(2));
    assert_eq!(fs::read(volume.target().join("last")).unwrap(), content(3));
    volume.end().await;

    delete_snapshot(&installation, &taken.snapshot_id).await.unwrap();
    volume.delete().await.unwrap();
    delete_snapshot(&installation, &taken.snapshot_id).await.unwrap();
    assert!(installation.get("v1/volumes").await["data"].as_array().unwrap().is_empty());
}

async fn check_copy(copy: &Volume<'_>, files: &[(&str, u32)]) {
    copy.begin().await;
    for (file, seed) in files {
        assert!(fs::read(copy.target().join(file)).unwrap() == content(*seed), "{file} of {}", copy.id);
    }
    copy.end().await;
    copy.delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ext4() {
    life("ext4", 128 * MIB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn xfs() {
    life("xfs", 320 * MIB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_volume_says_so_and_nothing_else_breaks() {
    let installation = Installation::start().await;
    // A claim of 1Mi.
    let request = create_request(&name("small"), MIB, &filesystem("ext4"));
    let volume = Volume::create(&installation, request).await.unwrap();
    volume.begin().await;
    let error = fs::write(volume.target().join("large"), vec![7; 11 << 20]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    fs::remove_file(volume.target().join("large")).unwrap();
    fs::write(volume.target().join("little"), "fits").unwrap();
    volume.end().await;
    volume.begin().await;
    assert_eq!(fs::read_to_string(volume.target().join("little")).unwrap(), "fits");
    volume.end().await;
}
