//! The kernel's userspace block driver: on a device of the test's own here, under real volumes in [`volumes`], and what
//! engines that were killed leave in [`leftovers`].

mod leftovers;
mod volumes;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aurochs_engine::frontend::fuse_loop::FuseLoopConfig;
use aurochs_engine::frontend::ublk::UblkFrontend;
use aurochs_engine::frontend::{BlockError, Frontend, FrontendError, FrontendKind, KernelPlace, StopRefused, tenure};
use tempfile::TempDir;

use crate::driver::{Driver, attribute, sysfs};
use crate::file_device::FileDevice;
use crate::file_system::{FileSystem, text};
use crate::node::{MIB, run};
use crate::writer::Writer;

const SIZE: u64 = 128 * MIB;
const NEEDS: &str = "ublk_drv";
const KIND: &str = "ublk";

/// Whether this kernel's driver can resize a device in use: only then do engines choose it.
fn kernel_resizes() -> bool {
    let release = nix::sys::utsname::uname().unwrap().release().to_str().unwrap().to_owned();
    let mut numbers = release.split(['.', '-', '+']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 16)
}

/// So many devices the driver has, started or not.
fn devices() -> usize {
    std::fs::read_dir("/sys/class/ublk-char").unwrap().count()
}

/// The driver, and directories of one test.
struct Place {
    driver: Driver,
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let driver = Driver::load(NEEDS);
        Self { driver, directory: tempfile::tempdir_in("/var/tmp").unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn config(&self) -> KernelPlace {
        config(self.directory.path())
    }

    fn device(&self) -> Arc<FileDevice> {
        FileDevice::create(&self.path("image"), SIZE)
    }

    fn node(&self) -> PathBuf {
        self.path("dev/vol-1")
    }

    /// No node, no device: the driver would not go.
    async fn assert_clean(self) {
        let nodes: Vec<_> = std::fs::read_dir(self.path("dev")).unwrap().map(Result::unwrap).collect();
        assert!(nodes.is_empty(), "device nodes are left: {nodes:?}");
        self.driver.unload().await;
    }
}

fn config(directory: &Path) -> KernelPlace {
    let before = FuseLoopConfig {
        volume: "vol-1".into(),
        runtime_dir: directory.join("run/fuse"),
        device_dir: directory.join("dev"),
    };
    let runtime_dir = directory.join("run");
    let tenure = tenure::begin(&runtime_dir, next_epoch(directory), Some("vol-1"), false).unwrap();
    KernelPlace { runtime_dir, before, tenure }
}

/// Every start of an engine raises it, also in a process of its own.
fn next_epoch(directory: &Path) -> u64 {
    let file = directory.join("epoch");
    let last = std::fs::read_to_string(&file).map_or(0, |text| text.parse().unwrap());
    std::fs::write(file, (last + 1).to_string()).unwrap();
    last + 1
}

fn reason<F>(refused: StopRefused<F>) -> (F, String) {
    (*refused.frontend, refused.error.to_string())
}

async fn write_somewhere(node: &Path) {
    std::fs::File::options().write(true).open(node).and_then(|file| file.write_all_at(&[7; 4096], MIB)).unwrap();
    run("sync", &[text(node)]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver: make test-kernel"]
async fn a_file_system_lives_on_it_and_nothing_is_left_afterwards() {
    let place = Place::new();
    let device = place.device();
    let frontend = UblkFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let node = place.node();
    assert_eq!((frontend.kind(), frontend.endpoint()), (FrontendKind::Ublk, text(&node).to_owned()));
    assert_eq!(run("blockdev", &["--getsize64", text(&node)]).await.trim(), SIZE.to_string());
    assert_eq!(run("blockdev", &["--getss", text(&node)]).await.trim(), "512");
    assert_eq!(run("blockdev", &["--getpbsz", text(&node)]).await.trim(), "4096");
    assert_eq!(attribute(&node, "queue/max_hw_sectors_kb"), "1024");
    assert_eq!(
        (attribute(&node, "queue/write_cache").as_str(), attribute(&node, "queue/fua").as_str()),
        ("write back", "1")
    );
    let at = place.path("mnt");
    FileSystem::live(&node, &at).await;
    let synced = || device.counts.flushes.load(Ordering::SeqCst) + device.counts.stable_writes.load(Ordering::SeqCst);
    assert!(synced() > 0, "a sync reaches the volume");
    assert!(device.counts.discards.load(Ordering::SeqCst) > 0, "a discard arrives");
    let file_system = FileSystem::make(&node, &at).await;
    file_system.write_tree(2).await;

    let (frontend, why) = reason(frontend.stop(false).await.unwrap_err());
    assert!(why.contains(text(&node)) && why.contains(text(&at)), "{why}");
    file_system.write_tree(3).await;
    file_system.unmount_and_check().await;
    frontend.stop(false).await.unwrap();
    run("e2fsck", &["-fn", text(device.path())]).await;

    let frontend = UblkFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    file_system.mount().await;
    file_system.assert_tree(2);
    file_system.assert_tree(3);
    file_system.unmount().await;
    frontend.stop(false).await.unwrap();
    drop(file_system);
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver: make test-kernel"]
async fn a_file_system_goes_on_when_its_engine_was_killed() {
    let place = Place::new();
    let mut engine = engine_of_its_own(&place);
    let file_system = FileSystem::make(&place.node(), &place.path("mnt")).await;
    let shown = sysfs(&place.node());
    file_system.write_tree(1).await;
    let writer = Writer::start(file_system.at());
    for _ in 0..2 {
        writer.go_on_for(5).await;
        engine.kill().unwrap();
        engine.wait().unwrap();
        engine = engine_of_its_own(&place);
        assert_eq!(sysfs(&place.node()), shown, "the device that is mounted, and no other");
        writer.go_on_for(5).await;
    }
    engine.kill().unwrap();
    engine.wait().unwrap();
    let device = place.device();
    let frontend = UblkFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let written = writer.end().await;
    file_system.unmount_and_check().await;
    file_system.mount().await;
    file_system.assert_tree(1);
    written.assert_there();
    file_system.unmount().await;
    frontend.stop(false).await.unwrap();
    run("e2fsck", &["-fn", text(device.path())]).await;
    drop(file_system);
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver: make test-kernel"]
async fn an_open_device_is_not_taken_away_unless_forced() {
    let place = Place::new();
    let frontend = UblkFrontend::start(place.device(), place.config()).await.unwrap();
    let open = std::fs::File::open(place.node()).unwrap();
    let mut holder = Command::new("bash").args(["-c", "read"]).stdin(Stdio::piped()).stdout(open).spawn().unwrap();
    let (frontend, why) = reason(frontend.stop(false).await.unwrap_err());
    assert!(why.contains(&format!("bash[{}]", holder.id())), "{why}");
    write_somewhere(&place.node()).await;
    frontend.stop(true).await.unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver: make test-kernel"]
async fn a_volume_is_served_once() {
    let place = Place::new();
    let device = place.device();
    let first = UblkFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let refused = UblkFrontend::start(Arc::clone(&device), place.config()).await.unwrap_err();
    assert!(matches!(refused, BlockError::AlreadyServed { .. }), "{refused}");
    write_somewhere(&place.node()).await;
    first.stop(false).await.unwrap();
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver: make test-kernel"]
async fn zeroing_and_discarding_arrive() {
    let place = Place::new();
    let device = place.device();
    let frontend = UblkFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let node = place.node();
    std::fs::File::options().write(true).open(&node).unwrap().write_all_at(&vec![0xab; 8 * MIB as usize], 0).unwrap();
    run("sync", &[text(&node)]).await;
    run("blkdiscard", &["-z", "-o", "1048576", "-l", "1048576", text(&node)]).await;
    let zeroes = |device: &FileDevice| {
        device.counts.zeroes_keeping.load(Ordering::SeqCst) + device.counts.zeroes_unmapping.load(Ordering::SeqCst)
    };
    assert!(zeroes(&device) >= 1, "zeroing arrives as such");
    run("blkdiscard", &["-o", "4194304", "-l", "1048576", text(&node)]).await;
    assert!(device.counts.discards.load(Ordering::SeqCst) >= 1, "a discard arrives as such");
    let image = std::fs::read(device.path()).unwrap();
    assert!(image[1 << 20..2 << 20].iter().all(|&byte| byte == 0));
    assert!(image[4 << 20..5 << 20].iter().all(|&byte| byte == 0));
    assert!(image[2 << 20..3 << 20].iter().any(|&byte| byte != 0));
    frontend.stop(false).await.unwrap();
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver: make test-kernel"]
async fn a_device_that_grows_is_larger_for_its_users_where_the_kernel_can() {
    let place = Place::new();
    let device = place.device();
    let frontend = UblkFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let resizer = frontend.resizer();
    device.grow(SIZE + 4096);
    let resized = resizer.resize().await;
    let expected = if kernel_resizes() {
        resized.unwrap();
        SIZE + 4096
    } else {
        assert!(matches!(resized, Err(FrontendError::Block(BlockError::TooOld { .. }))), "{resized:?}");
        SIZE
    };
    assert_eq!(run("blockdev", &["--getsize64", text(&place.node())]).await.trim(), expected.to_string());
    frontend.stop(false).await.unwrap();
    let stopped = resizer.resize().await.unwrap_err().to_string();
    assert!(stopped.contains("not attached"), "{stopped}");
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the ublk driver: make test-kernel"]
async fn a_volume_that_does_not_answer_can_be_detached_by_force() {
    let place = Place::new();
    let device = place.device();
    let frontend = UblkFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let silent = device.hold().await;
    let node = place.node();
    let reader = std::thread::spawn(move || std::fs::File::open(node)?.read_exact_at(&mut [0; 4096], 64 * MIB));
    while device.counts.running.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    frontend.stop(true).await.unwrap();
    tokio::task::spawn_blocking(|| reader.join().unwrap()).await.unwrap().unwrap_err();
    drop(silent);
    place.assert_clean().await;
}

/// Starts an engine in a process of its own and waits until it serves.
fn engine_of_its_own(place: &Place) -> Child {
    let mut engine = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ublk::engine_to_be_killed", "--ignored", "--nocapture"])
        .env("AUROCHS_TEST_PLACE", place.directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(engine.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().contains("serving")), "the engine did not start");
    engine
}

/// Not a test: the process that a test above kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by another test"]
async fn engine_to_be_killed() {
    let Some(directory) = std::env::var_os("AUROCHS_TEST_PLACE").map(PathBuf::from) else { return };
    let device = FileDevice::create(&directory.join("image"), SIZE);
    let _frontend = UblkFrontend::start(device, config(&directory)).await.unwrap();
    println!("serving");
    std::future::pending::<()>().await;
}
