//! Replicas, targets and people that get in the way in the middle.

use std::time::Duration;

use aurochs_engine::grpc::engine_v1::{EngineStatus, ReplicaMode, TransferState};

use crate::content::{MIB, Story, all, assert_same, noise};
use crate::parties::transfers::Shelf;
use crate::parties::{Parties, TestEngine};

/// Enough blocks to be in the middle of them.
const SIZE: u64 = 64 * MIB;

/// A volume full of data, and its snapshot `s`.
async fn full(engine: &TestEngine) -> Vec<u8> {
    let mut story = Story::of(engine, SIZE);
    story.write(0, noise(7, SIZE)).await;
    story.snapshot("s").await
}

async fn wait_restored(engine: &TestEngine, bytes: u64) {
    let enough = |status: &EngineStatus| status.restore.as_ref().is_some_and(|restore| restore.done_bytes >= bytes);
    engine.wait("a part is restored", enough).await;
}

/// A target that is back soon enough is waited for; nobody tells of that, so this looks no longer than a while.
async fn away_for_a_while(engine: &TestEngine, state: impl Fn(&EngineStatus) -> TransferState) {
    let over = async {
        while state(&engine.status()) == TransferState::TransferInProgress {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    // Whichever comes first is a case of its own.
    let _ = tokio::time::timeout(Duration::from_secs(3), over).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_lost_during_a_backup_changes_nothing_in_it() {
    let mut source = Parties::new(SIZE, 3).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let expected = full(&engine).await;
    engine.begin_backup(shelf.backup("b1", "s")).await;
    engine.wait("a part is stored", |status| status.backups[0].done_bytes > 0).await;
    source.replicas[0].crash().await;
    source.replicas[1].proxy.cut();
    let over = engine.backup_over("b1").await;
    assert_eq!(over.state(), TransferState::TransferComplete, "{}", over.error);
    let target = Parties::new(SIZE, 1).await;
    let restored = target.attach().await.unwrap();
    restored.restore(shelf.restore("b1")).await;
    assert_same(&all(&restored).await, &expected, "the backup");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_lost_during_a_restore_is_dropped_and_the_others_have_everything() {
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let expected = full(&engine).await;
    engine.back_up(shelf.backup("b1", "s")).await;
    let mut target = Parties::new(SIZE, 3).await;
    let restored = target.attach().await.unwrap();
    restored.begin_restore(shelf.restore("b1")).await;
    wait_restored(&restored, MIB).await;
    let lost = target.replicas[1].name.clone();
    target.replicas[1].crash().await;
    restored.wait_mode(&lost, ReplicaMode::Err).await;
    let over = restored.restore_over().await;
    assert_eq!(over.state(), TransferState::TransferComplete, "{}", over.error);
    assert_same(&all(&restored).await, &expected, "the volume");
    target.replicas[1].start();
    restored.rebuild(&target.replicas[1]).await;
    restored.run(|volume| async move { volume.close().await }).await.unwrap();
    let names: Vec<_> = target.replicas.iter().map(|replica| replica.name.clone()).collect();
    assert_same(&target.equal_content(&names).await, &expected, "all replicas");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_goes_away_is_told_of_and_what_was_done_is_not_done_again() {
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let expected = full(&engine).await;
    engine.begin_backup(shelf.backup("b1", "s")).await;
    engine.wait("a part is stored", |status| status.backups[0].done_bytes >= 2 * MIB).await;
    shelf.take_away();
    away_for_a_while(&engine, |status| status.backups[0].state()).await;
    shelf.put_back();
    let broken = engine.backup_over("b1").await;
    if broken.state() == TransferState::TransferFailed {
        assert!(!broken.error.is_empty(), "{broken:?}");
        let stored = shelf.blocks() as u64;
        assert!(stored >= 2, "{stored} blocks are there");
        let over = engine.back_up(shelf.backup("b1", "s")).await;
        assert!(over.newly_uploaded_bytes <= (64 - stored + 1) * (MIB + 4096), "{over:?}, {stored} were there");
    }
    let target = Parties::new(SIZE, 2).await;
    let restored = target.attach().await.unwrap();
    restored.begin_restore(shelf.restore("b1")).await;
    wait_restored(&restored, 2 * MIB).await;
    shelf.take_away();
    away_for_a_while(&restored, |status| status.restore.as_ref().unwrap().state()).await;
    shelf.put_back();
    let broken = restored.restore_over().await;
    if broken.state() == TransferState::TransferFailed {
        assert!(!broken.error.is_empty(), "{broken:?}");
        assert_eq!(restored.status().unfinished_restore, "b1");
    }
    let over = restored.restore(shelf.restore("b1")).await;
    assert_eq!(over.resumed, broken.state() == TransferState::TransferFailed);
    assert_same(&all(&restored).await, &expected, "the volume");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_ends_and_goes_on_later() {
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let expected = full(&engine).await;
    engine.begin_backup(shelf.backup("b1", "s")).await;
    let cancelled = engine.run(|volume| async move { volume.cancel_backup("b1").await }).await.unwrap();
    assert_eq!(cancelled.state(), TransferState::TransferCancelled, "{cancelled:?}");
    assert!(engine.run(|volume| async move { volume.cancel_backup("nobody").await }).await.is_none());
    engine.back_up(shelf.backup("b1", "s")).await;

    let target = Parties::new(SIZE, 2).await;
    let restored = target.attach().await.unwrap();
    restored.begin_restore(shelf.restore("b1")).await;
    wait_restored(&restored, MIB).await;
    restored.run(|volume| async move { volume.cancel_restore().await }).await;
    let over = restored.restore_over().await;
    let was_cancelled = over.state() == TransferState::TransferCancelled;
    assert_eq!(restored.status().unfinished_restore, if was_cancelled { "b1" } else { "" });
    let over = restored.restore(shelf.restore("b1")).await;
    assert_eq!(over.resumed, was_cancelled);
    assert_same(&all(&restored).await, &expected, "the volume");
    // Nobody waits for a restore that is not there.
    restored.run(|volume| async move { volume.cancel_restore().await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_goes_down_in_the_middle_and_the_next_engine_goes_on() {
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let expected = full(&engine).await;
    engine.back_up(shelf.backup("b1", "s")).await;
    engine.begin_backup(shelf.backup("b2", "s")).await;
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    let target = Parties::new(SIZE, 2).await;
    let restored = target.attach().await.unwrap();
    restored.begin_restore(shelf.restore("b1")).await;
    wait_restored(&restored, MIB).await;
    restored.run(|volume| async move { volume.close().await }).await.unwrap();
    let next = target.attach().await.unwrap();
    next.restore(shelf.restore("b1")).await;
    assert_same(&all(&next).await, &expected, "the volume");
}
