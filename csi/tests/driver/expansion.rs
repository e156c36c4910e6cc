//! Growth of a volume that nobody uses: its file system follows when it is staged.

use super::installation::{Installation, name};
use super::volume::{MIB, Volume, create_request, filesystem};

async fn offline(kind: &str, bytes: i64) {
    let installation = Installation::start().await;
    let request = create_request(&name(&format!("offline-{kind}")), bytes, &filesystem(kind));
    let volume = Volume::create(&installation, request).await.unwrap();
    volume.begin().await;
    let before = volume.filesystem_bytes().await;
    std::fs::write(volume.target().join("file"), "kept").unwrap();
    volume.end().await;
    let grown = volume.expand(2 * bytes).await.unwrap();
    assert!(!grown.node_expansion_required && grown.capacity_bytes == 2 * bytes, "{grown:?}");
    assert_eq!(volume.expand(2 * bytes).await.unwrap().capacity_bytes, 2 * bytes, "again");
    volume.begin().await;
    assert!(volume.filesystem_bytes().await > before + bytes / 2);
    assert_eq!(std::fs::read_to_string(volume.target().join("file")).unwrap(), "kept");
    volume.end().await;
    // Never smaller: what is there already is enough.
    assert_eq!(volume.expand(bytes).await.unwrap().capacity_bytes, 2 * bytes);
    let status = volume.expand(1 << 60).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::OutOfRange, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ext4() {
    offline("ext4", 64 * MIB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn xfs() {
    offline("xfs", 320 * MIB).await;
}
