//! The block device: file systems, discards, fio, and what is left behind. Needs root, FUSE and loop devices.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its message")]

#[path = "../file_device/mod.rs"]
mod file_device;
mod place;
mod under_load;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aurochs_engine::frontend::nbd::Tls;
use aurochs_engine::frontend::{
    BlockError,
    fuse_loop::{FuseLoopConfig, FuseLoopFrontend},
};
use aurochs_engine::frontend::{
    Frontend, FrontendError, FrontendKind, Offering, ServeConfig, StopRefused, serve, tenure,
};
use file_device::{FileDevice, run};
use place::{Place, SIZE, engine_of_its_own, text};

fn reason<F>(refused: StopRefused<F>) -> (F, String) {
    (*refused.frontend, refused.error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_lives_on_it_and_nothing_is_left_afterwards() {
    let place = Place::new();
    let device = place.device();
    let frontend = FuseLoopFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    assert_eq!((frontend.kind(), frontend.endpoint()), (FrontendKind::FuseLoop, text(&place.node()).to_owned()));
    let node = place.node();
    assert_eq!(run("blockdev", &["--getsize64", text(&node)]).await.trim(), SIZE.to_string());
    assert_eq!(run("blockdev", &["--getss", text(&node)]).await.trim(), "512");
    run("mkfs.ext4", &["-q", text(&node)]).await;

    let mounted = place.path("mnt");
    std::fs::create_dir(&mounted).unwrap();
    run("mount", &[text(&node), text(&mounted)]).await;
    let tree = mounted.join("tree");
    run("cp", &["-a", "/usr/share/doc", text(&tree)]).await;
    let before_sync = device.counts.flushes.load(Ordering::SeqCst);
    run("sync", &["-f", text(&mounted)]).await;
    assert!(device.counts.flushes.load(Ordering::SeqCst) > before_sync, "a sync has to flush the device");
    std::fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
    run("diff", &["-r", "--no-dereference", "/usr/share/doc", text(&tree)]).await;

    let full = device.allocated();
    run("rm", &["-r", text(&tree)]).await;
    run("mountpoint", &["-q", text(&mounted)]).await;
    run("sync", &["-f", text(&mounted)]).await;
    run("fstrim", &[text(&mounted)]).await;
    assert!(device.allocated() < full / 2, "fstrim gives space back: {} of {full} bytes", device.allocated());

    let (frontend, why) = reason(frontend.stop(false).await.unwrap_err());
    assert!(why.contains(text(&node)) && why.contains(text(&mounted)), "{why}");
    std::fs::write(mounted.join("still"), "here").unwrap();
    run("sync", &["-f", text(&mounted)]).await;
    run("umount", &[text(&mounted)]).await;
    run("e2fsck", &["-fn", text(&node)]).await;
    frontend.stop(false).await.unwrap();
    place.assert_clean();
}

/// Where pages are larger than 4 KiB, the kernel would ask for more at once than is served.
#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_is_told_how_long_reads_may_be() {
    let place = Place::new();
    let frontend = FuseLoopFrontend::start(place.device(), place.config()).await.unwrap();
    let options = run("findmnt", &["-n", "-o", "FS-OPTIONS", "--mountpoint", text(&place.path("run/fuse"))]).await;
    assert!(options.trim().split(',').any(|option| option == "max_read=1048576"), "{options}");
    frontend.stop(false).await.unwrap();
    place.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn fio_verifies_with_many_requests_at_once() {
    let place = Place::new();
    let device = place.device();
    let frontend = FuseLoopFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let node = format!("--filename={}", frontend.endpoint());
    let common = [
        "--ioengine=libaio",
        "--direct=1",
        "--iodepth=16",
        "--verify=crc32c",
        "--verify_state_save=0",
        "--do_verify=1",
        "--verify_fatal=1",
        &node,
    ];
    let small = ["--name=small", "--rw=randwrite", "--bs=4k", "--size=32m"];
    run("fio", &[&small[..], &common].concat()).await;
    let mixed = [
        "--name=mixed",
        "--rw=randwrite",
        "--bsrange=512-1m",
        "--blockalign=512",
        "--offset=64m",
        "--size=128m",
        "--fsync=32",
    ];
    run("fio", &[&mixed[..], &common].concat()).await;
    let most = device.counts.most_running.load(Ordering::SeqCst);
    assert!(most > 4, "requests have to run at the same time, at most {most} did");
    frontend.stop(false).await.unwrap();
    place.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn zeroing_and_discarding_arrive_and_read_as_zeros() {
    let place = Place::new();
    let device = place.device();
    let frontend = FuseLoopFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let node = frontend.endpoint();
    let fill = format!("--filename={node}");
    run("fio", &["--name=fill", "--rw=write", "--bs=1m", "--direct=1", "--size=16m", "--buffer_pattern=0xab", &fill])
        .await;
    run("blkdiscard", &["-z", "-o", "1048576", "-l", "1048576", &node]).await;
    let keeping = device.counts.zeroes_keeping.load(Ordering::SeqCst);
    assert!(keeping >= 1, "zeroing without unmapping keeps space");
    run("blkdiscard", &["-o", "4194304", "-l", "4194304", &node]).await;
    assert!(device.counts.zeroes_unmapping.load(Ordering::SeqCst) >= 1, "a discard arrives");
    assert_eq!(device.counts.discards.load(Ordering::SeqCst), 0, "a punched hole must read as zeros");
    let zeros = |skip: &'static str, count: &'static str| {
        let node = node.clone();
        async move { run("bash", &["-c", &format!("cmp -n {count} -i {skip}:0 {node} /dev/zero")]).await }
    };
    zeros("1048576", "1048576").await;
    zeros("4194304", "4194304").await;
    let text = run("bash", &["-c", &format!("od -An -tx1 -j 2097152 -N 4 {node}")]).await;
    assert_eq!(text.trim(), "ab ab ab ab");
    frontend.stop(false).await.unwrap();
    place.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_device_is_not_taken_away_unless_forced() {
    let place = Place::new();
    let frontend = FuseLoopFrontend::start(place.device(), place.config()).await.unwrap();
    let script = format!("exec 3<{}; echo open; read", frontend.endpoint());
    let mut holder =
        Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();

    let (frontend, why) = reason(frontend.stop(false).await.unwrap_err());
    assert!(why.contains(&format!("bash[{}]", holder.id())), "{why}");
    run("dd", &["if=/dev/zero", &format!("of={}", frontend.endpoint()), "bs=4k", "count=4", "oflag=direct"]).await;

    frontend.stop(true).await.unwrap();
    assert!(!place.node().exists());
    drop(holder.stdin.take());
    holder.wait().unwrap();
    place.becomes_clean().await;
}

/// As a container that is started on the node has one.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_mount_in_another_namespace_does_not_hold_up_a_stop() {
    let place = Place::new();
    let frontend = FuseLoopFrontend::start(place.device(), place.config()).await.unwrap();
    let mut holder = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "bash", "-c", "echo copied; read"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(30), frontend.stop(false)).await;
    drop(holder.stdin.take());
    holder.wait().unwrap();
    stopped.expect("the stop waits for the other namespace").unwrap();
    place.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_served_once_and_strangers_are_left_alone() {
    let place = Place::new();
    let device = place.device();
    let first = FuseLoopFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let refused = FuseLoopFrontend::start(Arc::clone(&device), place.config()).await.unwrap_err();
    assert!(matches!(refused, BlockError::AlreadyServed { .. }), "{refused}");
    run("dd", &["if=/dev/zero", &format!("of={}", first.endpoint()), "bs=4k", "count=1", "oflag=direct"]).await;
    first.stop(false).await.unwrap();
    place.assert_clean();

    std::fs::write(place.node(), "a file of somebody else").unwrap();
    let refused = FuseLoopFrontend::start(device, place.config()).await.unwrap_err();
    assert!(matches!(refused, BlockError::NotABlockDevice { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(place.node()).unwrap(), "a file of somebody else");
    std::fs::remove_file(place.node()).unwrap();
    place.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_engine_is_cleared_away_by_the_next() {
    let place = Place::new();
    let mut engine = engine_of_its_own(&place);
    run("mkfs.ext4", &["-q", text(&place.node())]).await;
    run("sync", &[text(&place.node())]).await;
    engine.kill().unwrap();
    engine.wait().unwrap();
    assert_eq!((place.mounts().len(), place.loops().len()), (1, 1), "a killed engine leaves its mount and loop device");
    assert!(std::fs::metadata(place.path("run/fuse")).is_err(), "the mount is dead");

    let frontend = FuseLoopFrontend::start(place.device(), place.config()).await.unwrap();
    assert_eq!((place.mounts().len(), place.loops().len()), (1, 1));
    run("e2fsck", &["-fn", text(&place.node())]).await;
    frontend.stop(false).await.unwrap();
    place.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_mounted_when_its_engine_was_killed_does_not_block_the_next() {
    let place = Place::new();
    let mut engine = engine_of_its_own(&place);
    let (old, new) = (place.path("old"), place.path("new"));
    std::fs::create_dir(&old).unwrap();
    std::fs::create_dir(&new).unwrap();
    run("mkfs.ext4", &["-q", text(&place.node())]).await;
    run("mount", &[text(&place.node()), text(&old)]).await;
    std::fs::write(old.join("kept"), "acknowledged and flushed").unwrap();
    run("sync", &["-f", text(&old)]).await;
    engine.kill().unwrap();
    engine.wait().unwrap();

    let frontend = FuseLoopFrontend::start(place.device(), place.config()).await.unwrap();
    run("mount", &[text(&place.node()), text(&new)]).await;
    assert_eq!(std::fs::read_to_string(new.join("kept")).unwrap(), "acknowledged and flushed");
    run("umount", &[text(&old)]).await;
    run("umount", &[text(&new)]).await;
    frontend.stop(false).await.unwrap();
    place.becomes_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_grows_is_larger_for_its_users_at_once() {
    let place = Place::new();
    let device = place.device();
    let frontend = FuseLoopFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let (node, resizer) = (frontend.endpoint(), frontend.resizer());
    let holder = std::fs::File::open(&node).unwrap();
    device.grow(SIZE + 4096);
    resizer.resize().await.unwrap();
    assert_eq!(run("blockdev", &["--getsize64", &node]).await.trim(), (SIZE + 4096).to_string());
    let last = format!("seek={SIZE}");
    let target = format!("of={node}");
    let write = ["if=/usr/bin/true", &target, "bs=4k", "count=1", "oflag=direct,seek_bytes", "conv=notrunc", &last];
    run("dd", &write).await;
    drop(holder);
    frontend.stop(false).await.unwrap();
    let stopped = resizer.resize().await.unwrap_err().to_string();
    assert!(stopped.contains("not attached"), "{stopped}");
    place.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_was_frozen_when_its_engine_was_killed_is_let_go_by_the_next() {
    let place = Place::new();
    let mut engine = engine_of_its_own(&place);
    let old = place.path("old");
    std::fs::create_dir(&old).unwrap();
    run("mkfs.ext4", &["-q", text(&place.node())]).await;
    run("mount", &[text(&place.node()), text(&old)]).await;
    run("fsfreeze", &["-f", text(&old)]).await;
    engine.kill().unwrap();
    engine.wait().unwrap();

    let frontend = FuseLoopFrontend::start(place.device(), place.config()).await.unwrap();
    let thawed = Command::new("fsfreeze").args(["-u", text(&old)]).output().unwrap();
    assert!(!thawed.status.success(), "it is not frozen any more");
    run("umount", &[text(&old)]).await;
    frontend.stop(false).await.unwrap();
    place.becomes_clean().await;
}

/// Not a test: the process that the tests above kill.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by another test"]
async fn engine_to_be_killed() {
    let Some(directory) = std::env::var_os("AUROCHS_TEST_PLACE").map(PathBuf::from) else { return };
    let device = FileDevice::create(&directory.join("image"), SIZE);
    let config = FuseLoopConfig {
        volume: "vol-1".into(),
        runtime_dir: directory.join("run/fuse"),
        device_dir: directory.join("dev"),
    };
    let _frontend = FuseLoopFrontend::start(device, config).await.unwrap();
    println!("serving");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_served_as_block_device_and_over_nbd_at_once() {
    let place = Place::new();
    let device = place.device();
    let config = |offering| ServeConfig {
        volume: "vol-1".into(),
        offering,
        runtime_dir: place.path("run"),
        device_dir: place.path("dev"),
        nbd_socket: None,
        nbd_tcp: None,
        nbd_tls: Tls::Off,
        iscsi_portals: Vec::new(),
        iscsi_chap: None,
        tenure: tenure::begin(&place.path("run"), 1, None, false).unwrap(),
    };
    let serving = serve(Arc::clone(&device), config(Offering::BlockDevice)).await.unwrap();
    assert_eq!(serving.kind(), Some(FrontendKind::FuseLoop));
    assert!(serving.reason().contains("ublk"), "the reason names what was passed over: {}", serving.reason());
    let uri = serving.nbd_uri().unwrap();
    run("qemu-io", &["-f", "raw", "-c", "write -P 0x42 1M 1M", "-c", "flush", &uri]).await;
    let seen = run("bash", &["-c", &format!("od -An -tx1 -j 1048576 -N 2 {}", serving.endpoint())]).await;
    assert_eq!(seen.trim(), "42 42");

    let mounted = place.path("mnt");
    std::fs::create_dir(&mounted).unwrap();
    run("mkfs.ext4", &["-q", "-F", &serving.endpoint()]).await;
    run("mount", &[&serving.endpoint(), text(&mounted)]).await;
    let refused = serving.stop(false).await.unwrap_err();
    assert!(matches!(refused.error, FrontendError::Block(BlockError::InUse { .. })));
    let serving = refused.frontend;
    run("nbdinfo", &["--size", &uri]).await;
    run("umount", &[text(&mounted)]).await;
    serving.stop(false).await.unwrap();
    place.assert_clean();

    let serving = serve(Arc::clone(&device), config(Offering::Nbd)).await.unwrap();
    assert_eq!((serving.endpoint(), serving.kind()), (uri, Some(FrontendKind::Nbd)));
    serving.stop(false).await.unwrap();
    let nothing = serve(device, config(Offering::Nothing)).await.unwrap();
    assert_eq!((nothing.endpoint(), nothing.kind()), (String::new(), None));
    nothing.stop(false).await.unwrap();
}
