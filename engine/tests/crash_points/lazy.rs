//! A volume in use whose blocks come out of a backup, with its engine and all replicas killed at every step.
//!
//! Whatever step that is: what was acknowledged is there, what is not here comes from the backup, and it ends with equal
//! replicas that anybody may open.

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::grpc::engine_v1::{ReplicaMode, TransferState};
use aurochs_engine::volume::lazy::InstantRestore;
use aurochs_engine::volume::restore::RestoreRequest;

use crate::child::{self, Ended, Place, directory};
use crate::parties::transfers::Shelf;
use crate::parties::{Parties, TestEngine};

const MIB: usize = 1 << 20;
const SIZE: u64 = 5 << 20;
const COPIES: usize = 2;
const BACKED_UP: [u8; 5] = [1, 2, 0, 4, 5];

/// What each step writes: its place, how much, and what.
const STEPS: [(u64, usize, u8); 4] = [
    // Within a block, twice; over a whole one; and into what the backup does not hold.
    (4096, 8192, 11),
    ((1 << 20) + 12_288, 4096, 12),
    (3 << 20, MIB, 13),
    ((2 << 20) + 4096, 4096, 14),
];

/// After so many steps.
fn holds(done: usize) -> Vec<u8> {
    let mut content: Vec<u8> = BACKED_UP.iter().flat_map(|byte| vec![*byte; MIB]).collect();
    for (at, length, byte) in STEPS.iter().take(done) {
        content[*at as usize..*at as usize + length].fill(*byte);
    }
    content
}

async fn write(engine: &TestEngine, at: u64, length: usize, byte: u8) {
    let data = AlignedBuf::copy_of(&vec![byte; length]);
    engine.run(|volume| async move { volume.write(at, data, Durability::Written).await }).await.unwrap();
}

fn request(shelf: &Shelf, on_demand_only: bool) -> RestoreRequest {
    let mut request = shelf.restore("b1");
    request.instant = Some(InstantRestore { on_demand_only, ..InstantRestore::default() });
    request
}

async fn complete(engine: &TestEngine) {
    let is_over = |status: &aurochs_engine::grpc::engine_v1::EngineStatus| {
        status.restore.as_ref().is_some_and(|restore| restore.state() == TransferState::TransferComplete)
    };
    engine.wait("all of it is here", is_over).await;
    engine.wait("all work is over", |status| status.exclusive_work.is_empty()).await;
}

/// The child's life. Does nothing when it is run as a test.
#[test]
#[ignore = "started by the other tests"]
fn restoring() {
    let Some((_, root, mut log)) = child::called() else {
        return;
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let source = Parties::over(directory(&root, "source"), SIZE, 1).await;
        let engine = source.attach().await.unwrap();
        let shelf = Shelf::new(&root);
        for (block, byte) in BACKED_UP.iter().enumerate().filter(|(_, byte)| **byte != 0) {
            write(&engine, (block * MIB) as u64, MIB, *byte).await;
        }
        engine.run(|volume| async move { volume.snapshot("s1", Default::default(), true).await }).await.unwrap();
        engine.back_up(shelf.backup("b1", "s1")).await;
        let mut target = Parties::over(directory(&root, "target"), SIZE, COPIES).await;
        target.root.disable_cleanup(true);
        let volume = target.attach().await.unwrap();
        log.note("begin restore");
        volume.begin_restore(request(&shelf, true)).await;
        volume.wait("it may be used", |status| status.restore.as_ref().is_some_and(|found| found.instant)).await;
        log.note("done restore");
        for (index, (at, length, byte)) in STEPS.into_iter().enumerate() {
            log.note(&format!("begin {index}"));
            write(&volume, at, length, byte).await;
            log.note(&format!("done {index}"));
        }
        // A replica leaves and comes back.
        target.replicas[1].crash().await;
        volume.run(|volume| async move { volume.flush().await }).await.unwrap();
        target.replicas[1].start();
        volume.rebuild(&target.replicas[1]).await;
        volume.begin_restore(request(&shelf, false)).await;
        complete(&volume).await;
        volume.run(|volume| async move { volume.close().await }).await.unwrap();
    });
}

fn run(place: &Place, crash_at: Option<&str>) -> Ended {
    child::run("lazy::restoring", "lazy", place, crash_at)
}

/// Crash points of a run that is not killed, in order.
pub(crate) fn list_points() -> Vec<String> {
    child::list_points_of("instant restores", run, check)
}

/// Starts an engine on what is left of the target.
fn check(place: &Place) {
    let (done, _) = place.progress();
    let (root, _) = place.take_over(COPIES);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut parties = Parties::over(root, SIZE, COPIES).await;
        parties.keeper.set_unclean();
        let engine = parties.attach().await.unwrap();
        let remote = engine.status().restore.is_some_and(|restore| restore.instant);
        if done == 0 && !remote {
            engine.begin_restore(request(&Shelf::at(&place.root()), false)).await;
        }
        for replica in &parties.replicas {
            if engine.mode(&replica.name) != Some(ReplicaMode::Rw) {
                engine.rebuild(replica).await;
            }
        }
        if engine.status().restore.is_some() {
            complete(&engine).await;
        }
        let read = engine.run(|volume| async move { volume.read(0, SIZE as u32).await }).await.unwrap();
        let (was, becomes) = (holds(done.saturating_sub(1)), holds(done));
        for (at, byte) in read.iter().enumerate() {
            // The step that was under way may have been done, or parts of it.
            assert!(*byte == was[at] || *byte == becomes[at], "{}: byte {at} is {byte} after {done}", place.what);
        }
        engine.run(|volume| async move { volume.close().await }).await.unwrap();
        let members: Vec<_> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
        assert!(parties.equal_content(&members).await[..] == read[..], "{}", place.what);
        for replica in &parties.replicas {
            let meta = std::fs::read_to_string(replica.directory.join("volume.meta")).unwrap();
            assert!(meta.contains("\"Rebuilding\":false"), "{}: {meta}", place.what);
            assert!(!replica.directory.join("aurochs.remote").exists(), "{}", place.what);
        }
    });
}

#[test]
fn instant_restore_killed() {
    let reached: Vec<_> = crate::points(&list_points());
    let own = reached.into_iter().filter(|(point, _)| point.starts_with("lazy.") || point.starts_with("remote."));
    let kills: Vec<String> =
        own.flat_map(|(point, times)| (1..=times).map(move |nth| format!("{point}:{nth}"))).collect();
    assert!(kills.len() >= 20, "{kills:?}");
    crate::side_by_side(&kills, |point| {
        let place = Place::new(&format!("instant restores, killed at {point}"));
        assert_eq!(run(&place, Some(point)), Ended::Killed, "{}", place.what);
        check(&place);
    });
}
