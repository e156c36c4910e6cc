//! Many requests at once, a device that does not answer, an engine that dies in the midst of them.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::Frontend;
use aurochs_engine::frontend::fuse_loop::FuseLoopFrontend;
use nix::libc;

use crate::file_device::{FileDevice, run};
use crate::place::{Place, engine_of_its_own};

/// What the frontend lets in.
const MOST_REQUESTS: u64 = 128;
const BLOCK: usize = 4096;
/// What lies before it is left to the tests.
const LOAD_FROM: u64 = 64 << 20;

/// A process that is ended in any case.
struct Client(Child);

impl Client {
    /// Keeps `depth` writes behind [`LOAD_FROM`] under way for as long as they are answered.
    fn writing(node: &str, depth: u32) -> Self {
        let fio = Command::new("fio")
            .args([
                "--name=load",
                "--thread",
                "--ioengine=libaio",
                "--direct=1",
                "--rw=randwrite",
                "--bs=4k",
                "--time_based",
            ])
            .args(["--runtime=600", &format!("--offset={LOAD_FROM}"), &format!("--iodepth={depth}")])
            .arg(format!("--filename={node}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(fio)
    }

    async fn succeeds(mut self) -> bool {
        tokio::task::spawn_blocking(move || self.0.wait().unwrap().success()).await.unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns when so many requests are in the device.
async fn fills_up(device: &FileDevice, requests: u64) {
    while device.counts.running.load(Ordering::SeqCst) < requests {
        tokio::task::yield_now().await;
    }
}

fn open_direct(node: &Path) -> File {
    File::options().read(true).write(true).custom_flags(libc::O_DIRECT).open(node).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_let_in_than_memory_is_meant_for_and_questions_are_answered_meanwhile() {
    let place = Place::new();
    let device = place.device();
    let frontend = FuseLoopFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let held = device.hold().await;
    let mut client = Client::writing(&frontend.endpoint(), 256);
    fills_up(&device, MOST_REQUESTS).await;
    // The size of the file, its directory, its file system: nothing of it waits for the device.
    run("stat", &[place.path("run/fuse/vol-1").to_str().unwrap()]).await;
    assert!(run("ls", &[place.path("run/fuse").to_str().unwrap()]).await.contains("vol-1"));
    run("stat", &["-f", place.path("run/fuse").to_str().unwrap()]).await;
    assert_eq!(device.counts.most_running.load(Ordering::SeqCst), MOST_REQUESTS);
    drop(held);
    let before = device.counts.writes.load(Ordering::SeqCst);
    while device.counts.writes.load(Ordering::SeqCst) < before + 10 * MOST_REQUESTS {
        tokio::task::yield_now().await;
    }
    assert!(client.0.try_wait().unwrap().is_none(), "all goes on");
    drop(client);
    assert_eq!(device.counts.most_running.load(Ordering::SeqCst), MOST_REQUESTS);
    frontend.stop(false).await.unwrap();
    place.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_does_not_answer_can_be_taken_away_by_force() {
    let place = Place::new();
    let device = place.device();
    let frontend = FuseLoopFrontend::start(Arc::clone(&device), place.config()).await.unwrap();
    let held = device.hold().await;
    let client = Client::writing(&frontend.endpoint(), 16);
    fills_up(&device, 16).await;
    frontend.stop(true).await.unwrap();
    assert!(!place.node().exists());
    assert_eq!(place.mounts(), Vec::<String>::new(), "it is out of sight");
    // What it had answers late, and the rest of it goes.
    drop(held);
    drop(client);
    place.becomes_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_killed_under_load_fails_its_clients_and_loses_nothing_that_it_acknowledged() {
    let place = Place::new();
    let mut engine = engine_of_its_own(&place);
    let node = place.node();
    let load = Client::writing(node.to_str().unwrap(), 16);
    let (progress, mut acknowledged) = tokio::sync::watch::channel(0);
    let file = open_direct(&node);
    let writer = tokio::task::spawn_blocking(move || {
        let mut written = 0;
        // The load leaves it so much.
        while written < LOAD_FROM / BLOCK as u64 {
            let block = AlignedBuf::copy_of(&[written as u8 | 1; BLOCK]);
            if file.write_all_at(&block, written * BLOCK as u64).is_err() {
                return written;
            }
            written += 1;
            let _ = progress.send(written);
        }
        written
    });
    acknowledged.wait_for(|&written| written >= 100).await.unwrap();
    engine.kill().unwrap();
    engine.wait().unwrap();
    let written = writer.await.unwrap();
    assert!(!load.succeeds().await, "requests of a dead engine fail");

    let frontend = FuseLoopFrontend::start(place.device(), place.config()).await.unwrap();
    let file = open_direct(&node);
    for number in 0..written {
        let mut block = AlignedBuf::zeroed(BLOCK);
        file.read_exact_at(&mut block, number * BLOCK as u64).unwrap();
        assert!(block.iter().all(|&byte| byte == number as u8 | 1), "block {number} of {written}");
    }
    drop(file);
    frontend.stop(false).await.unwrap();
    place.assert_clean();
}
