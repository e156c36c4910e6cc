//! Volumes as block devices.

use std::fs::File;
use std::os::unix::fs::{FileExt, FileTypeExt};

use super::installation::{Installation, name};
use super::volume::{MIB, Volume, block, create_request};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_keeps_what_was_written() {
    let installation = Installation::start().await;
    let request = create_request(&name("block"), 32 * MIB, &block());
    let volume = Volume::create(&installation, request).await.unwrap();
    volume.begin().await;
    let target = volume.target();
    assert!(std::fs::metadata(&target).unwrap().file_type().is_block_device());
    let stats = volume.stats().await.unwrap();
    assert!(stats.usage.len() == 1 && stats.usage[0].total == 32 * MIB, "{stats:?}");
    // Through the kernel's memory, and not flushed by us.
    File::options().write(true).open(&target).unwrap().write_all_at(b"raw data", 9 << 20).unwrap();
    let grown = volume.expand(64 * MIB).await.unwrap();
    assert!(!grown.node_expansion_required, "a device has no file system");
    volume.end().await;
    assert!(installation.mounts().is_empty() && !target.exists());
    volume.begin().await;
    let mut found = [0; 8];
    File::open(&target).unwrap().read_exact_at(&mut found, 9 << 20).unwrap();
    assert_eq!(&found, b"raw data");
    File::open(&target).unwrap().read_exact_at(&mut found, (64 << 20) - 8).unwrap();
    volume.end().await;
    volume.delete().await.unwrap();
}
