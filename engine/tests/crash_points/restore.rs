//! Restores whose engine is killed, and with it all replicas of the target, as when their node goes down.
//!
//! The next engine must find the volume as one of the backups, or with the word that a restore is not complete; and the
//! next restore ends with the right bytes on all replicas.

use aurochs_engine::backup::Mode;
use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::grpc::engine_v1::ReplicaMode;
use aurochs_engine::volume::backup::BackupRequest;

use crate::child::{self, Ended, Place, directory};
use crate::parties::transfers::Shelf;
use crate::parties::{Parties, TestEngine};

const MIB: usize = 1 << 20;
const SIZE: u64 = 4 << 20;
const COPIES: usize = 2;
const BACKUPS: [&str; 2] = ["b1", "b2"];

/// What each backup holds, block by block. The second one has fewer blocks than the first.
fn holds(backup: &str) -> Vec<u8> {
    let blocks: [u8; 4] = match backup {
        "b1" => [1, 2, 0, 3],
        "b2" => [0, 4, 5, 0],
        _ => [0; 4],
    };
    blocks.iter().flat_map(|byte| vec![*byte; MIB]).collect()
}

async fn write(engine: &TestEngine, block: u64, byte: u8) {
    let data = AlignedBuf::copy_of(&vec![byte; MIB]);
    let offset = block * MIB as u64;
    engine.run(|volume| async move { volume.write(offset, data, Durability::Written).await }).await.unwrap();
}

async fn snapshot(engine: &TestEngine, name: &'static str) {
    engine.run(|volume| async move { volume.snapshot(name, Default::default(), true).await }).await.unwrap();
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
        snapshot(&engine, "s0").await;
        for (block, byte) in [(0, 1), (1, 2), (3, 3)] {
            write(&engine, block, byte).await;
        }
        snapshot(&engine, "s1").await;
        engine.back_up(shelf.backup("b1", "s1")).await;
        engine.run(|volume| async move { volume.revert("s0").await }).await.unwrap();
        for (block, byte) in [(1, 4), (2, 5)] {
            write(&engine, block, byte).await;
        }
        snapshot(&engine, "s2").await;
        engine.back_up(BackupRequest { mode: Mode::Full, ..shelf.backup("b2", "s2") }).await;
        let mut target = Parties::over(directory(&root, "target"), SIZE, COPIES).await;
        target.root.disable_cleanup(true);
        let standby = target.attach().await.unwrap();
        for (index, backup) in BACKUPS.into_iter().enumerate() {
            log.note(&format!("begin {index}"));
            standby.restore(shelf.restore(backup)).await;
            log.note(&format!("done {index}"));
        }
        standby.run(|volume| async move { volume.close().await }).await.unwrap();
    });
}

fn run(place: &Place, crash_at: Option<&str>) -> Ended {
    child::run("restore::restoring", "restore", place, crash_at)
}

/// Crash points of restores that are not killed, in order.
pub(crate) fn list_points() -> Vec<String> {
    child::list_points_of("restores", run, check)
}

/// Starts an engine on what is left of the target.
fn check(place: &Place) {
    let (done, _) = place.progress();
    let (root, _) = place.take_over(COPIES);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut parties = Parties::over(root, SIZE, COPIES).await;
        let engine = parties.attach().await.unwrap();
        let status = engine.status();
        let restored = status.last_restored_backup.as_str();
        if status.unfinished_restore.is_empty() {
            let read = engine.run(|volume| async move { volume.read(0, SIZE as u32).await }).await.unwrap();
            assert!(read[..] == holds(restored), "{}: it says {restored:?} and is not", place.what);
        }
        let acknowledged = BACKUPS.iter().position(|backup| *backup == restored).map_or(0, |index| index + 1);
        assert!(acknowledged >= done, "{}: {restored:?} is there after {done} restores", place.what);
        for replica in &parties.replicas {
            if engine.mode(&replica.name) != Some(ReplicaMode::Rw) {
                engine.rebuild(replica).await;
            }
        }
        engine.restore(Shelf::at(&place.root()).restore("b2")).await;
        engine.run(|volume| async move { volume.close().await }).await.unwrap();
        let members: Vec<_> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
        assert!(parties.equal_content(&members).await == holds("b2"), "{}", place.what);
    });
}

#[test]
fn restore_killed() {
    let reached: Vec<_> = crate::points(&list_points());
    let own = reached.into_iter().filter(|(point, _)| point.starts_with("restore."));
    let kills: Vec<String> =
        own.flat_map(|(point, times)| (1..=times).map(move |nth| format!("{point}:{nth}"))).collect();
    assert!(kills.len() >= 10, "{kills:?}");
    crate::side_by_side(&kills, |point| {
        let place = Place::new(&format!("restores, killed at {point}"));
        assert_eq!(run(&place, Some(point)), Ended::Killed, "{}", place.what);
        check(&place);
    });
}
