//! What must never be formatted.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use tonic::Code;

use super::installation::{Installation, name, run};
use super::volume::{MIB, Volume, block, create_request, filesystem};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_a_volume_is_not_formatted() {
    let installation = Installation::start().await;
    let request = create_request(&name("used"), 32 * MIB, &block());
    let raw = Volume::create(&installation, request).await.unwrap();
    raw.begin().await;
    let device = format!("/dev/longhorn/{}", raw.id);
    let write = |bytes: &[u8], at: u64| {
        let file = File::options().write(true).open(&device).unwrap();
        file.write_all_at(bytes, at).unwrap();
        file.sync_all().unwrap();
    };
    let mounted = Volume { capability: filesystem("ext4"), id: raw.id.clone(), context: raw.context.clone(), ..raw };
    let refused = async |what: &str| {
        let status = mounted.stage().await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{what}: {status}");
        assert!(status.message().contains("nothing is written"), "{status}");
    };
    raw.unpublish().await.unwrap();
    raw.unstage().await.unwrap();

    // Data that nobody knows, at either end.
    for at in [4096, (32 << 20) - 8] {
        write(b"database", at);
        refused("unknown data").await;
        let mut found = [0; 8];
        File::open(&device).unwrap().read_exact_at(&mut found, at).unwrap();
        assert_eq!(&found, b"database");
        write(&[0; 8], at);
    }
    // A partition table, another file system, something encrypted.
    write(&[0x55, 0xaa], 510);
    write(&[0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0], 446);
    refused("a partition table").await;
    write(&[0; 512], 0);
    run("mkfs.ext2", &["-q", "-F", &device]);
    run("wipefs", &["-q", "-a", &device]);
    refused("what is left of a file system").await;
    run("mkswap", &[&device]);
    refused("swap").await;

    // With nothing on it, it is.
    run("blkdiscard", &["-f", &device]);
    mounted.stage().await.unwrap();
    mounted.unstage().await.unwrap();
    let wants_xfs =
        Volume { capability: filesystem("xfs"), id: raw.id.clone(), context: raw.context.clone(), ..mounted };
    let status = wants_xfs.stage().await.unwrap_err();
    assert!(status.code() == Code::FailedPrecondition && status.message().contains("holds ext4"), "{status}");
    wants_xfs.detach().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_is_left_alone() {
    let installation = Installation::start().await;
    let request = create_request(&name("taken"), 32 * MIB, &filesystem("ext4"));
    let volume = Volume::create(&installation, request).await.unwrap();
    volume.attach().await.unwrap();
    let device = format!("/dev/longhorn/{}", volume.id);
    let alone = File::options().read(true).custom_flags(nix::libc::O_EXCL).open(&device).unwrap();
    let status = volume.stage().await.unwrap_err();
    assert!(status.code() == Code::Aborted && status.message().contains("in use"), "{status}");
    drop(alone);
    volume.stage().await.unwrap();
    volume.unstage().await.unwrap();
    volume.detach().await.unwrap();
}
