//! A clone whose engine is killed, and with it all replicas of the target, as when their node goes down.
//!
//! The next engine must find the volume empty or filled, never anything between; where it is filled on one replica only,
//! the others are left out and rebuilt; and an empty one can be filled again.

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::grpc::engine_v1::{CloneState, ReplicaMode};

use crate::child::{self, Ended, Place, directory};
use crate::parties::Parties;
use crate::parties::face::Face;

const SIZE: u64 = 4 << 20;
const COPIES: usize = 2;

/// The child's life. Does nothing when it is run as a test.
#[test]
#[ignore = "started by the other tests"]
fn cloning() {
    let Some((_, root, mut log)) = child::called() else {
        return;
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let source_parties = Parties::over(directory(&root, "source"), SIZE, 1).await;
        let source = source_parties.attach().await.unwrap();
        let data = AlignedBuf::copy_of(&vec![7; 3 << 20]);
        source.run(|volume| async move { volume.write(1 << 20, data, Durability::Written).await }).await.unwrap();
        source.run(|volume| async move { volume.snapshot("s", Default::default(), true).await }).await.unwrap();
        let face = Face::of(&source, source_parties.root.path()).await;
        let mut parties = Parties::over(directory(&root, "target"), SIZE, COPIES).await;
        parties.root.disable_cleanup(true);
        let engine = parties.attach().await.unwrap();
        log.note("begin 0");
        engine.begin_clone(face.request()).await;
        let clone = engine.clone_over().await;
        assert_eq!(clone.state(), CloneState::Complete, "{}", clone.error);
        log.note("done 0");
        engine.run(|volume| async move { volume.close().await }).await.unwrap();
    });
}

fn run(place: &Place, crash_at: Option<&str>) -> Ended {
    child::run("clone::cloning", "clone", place, crash_at)
}

/// Crash points of a clone that is not killed, in order.
pub(crate) fn list_points() -> Vec<String> {
    child::list_points_of("a clone", run, check)
}

/// Starts an engine on what is left of the target.
fn check(place: &Place) {
    let (done, _) = place.progress();
    let (root, count) = place.take_over(COPIES);
    assert_eq!(count, COPIES, "{}", place.what);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut parties = Parties::over(root, SIZE, COPIES).await;
        let engine = parties.attach().await.unwrap();
        let read = engine.run(|volume| async move { volume.read(0, SIZE as u32).await }).await.unwrap();
        let filled = read.iter().any(|byte| *byte != 0);
        assert!(filled || done == 0, "{}: an acknowledged clone is gone", place.what);
        let holds = |byte: u8| [vec![0; 1 << 20], vec![byte; 3 << 20]].concat();
        assert!(read[..] == holds(if filled { 7 } else { 0 }), "{}: filled in part", place.what);
        let causes: Vec<String> = engine.status().replicas.into_iter().map(|replica| replica.cause).collect();
        for replica in &parties.replicas {
            if engine.mode(&replica.name) != Some(ReplicaMode::Rw) {
                engine.rebuild(replica).await;
            }
        }
        if !filled {
            let fill = engine.run(|volume| async move { volume.fill("s").await }).await;
            let fill = fill.unwrap_or_else(|error| panic!("{}: {error}; {causes:?}", place.what));
            let filled = engine.run(|_| async move {
                fill.write(1 << 20, &vec![7; 3 << 20]).await?;
                fill.finish().await
            });
            filled.await.unwrap_or_else(|error| panic!("{}: {error}", place.what));
        }
        engine.run(|volume| async move { volume.close().await }).await.unwrap();
        let members: Vec<_> = parties.replicas.iter().map(|replica| replica.name.clone()).collect();
        assert!(parties.equal_content(&members).await == holds(7), "{}", place.what);
    });
}

#[test]
fn clone_killed() {
    let reached: Vec<_> = crate::points(&list_points());
    let own = reached.into_iter().filter(|(point, _)| point.starts_with("fill.") || point.starts_with("clone."));
    let kills: Vec<String> =
        own.flat_map(|(point, times)| (1..=times).map(move |nth| format!("{point}:{nth}"))).collect();
    crate::side_by_side(&kills, |point| {
        let place = Place::new(&format!("a clone, killed at {point}"));
        assert_eq!(run(&place, Some(point)), Ended::Killed, "{}", place.what);
        check(&place);
    });
}
