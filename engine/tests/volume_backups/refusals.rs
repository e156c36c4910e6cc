//! What is not done, and what people are told about it.

use std::collections::BTreeMap;

use aurochs_engine::grpc::engine_v1::TransferState;
use aurochs_engine::volume::restore::RestoreRequest;

use crate::content::{MIB, SIZE, Story, all, assert_same, noise};
use crate::parties::transfers::Shelf;
use crate::parties::{Parties, TestEngine};

async fn refusal(engine: &TestEngine, request: RestoreRequest) -> String {
    engine.run(|volume| async move { volume.restore(request).await }).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_with_other_data_is_left_alone() {
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let mut story = Story::of(&engine, SIZE);
    let first = story.begin("s1").await;
    engine.back_up(shelf.backup("b1", "s1")).await;
    story.write(0, noise(4, MIB)).await;
    story.snapshot("s2").await;
    engine.back_up(shelf.backup("b2", "s2")).await;
    assert!(refusal(&engine, shelf.restore("b1")).await.contains("holds data or snapshots"));

    let target = Parties::new(SIZE, 1).await;
    let used = target.attach().await.unwrap();
    used.restore(shelf.restore("b1")).await;
    let mut later = Story::of(&used, SIZE);
    later.content = first;
    later.write(5 * MIB, noise(5, 4096)).await;
    // The sizes that a restore goes by are those of this moment.
    for backup in ["b1", "b2"] {
        assert!(refusal(&used, shelf.restore(backup)).await.contains("was used since backup b1"));
    }
    assert_same(&all(&used).await, &later.content, "the volume that is used");
    // Back to the backup, it can follow again.
    let restored = used.status().restore.unwrap().snapshot;
    used.run(|volume| async move { volume.revert(&restored).await }).await.unwrap();
    used.restore(shelf.restore("b2")).await;
    assert_same(&all(&used).await, &story.content, "the volume that was put back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_backup_or_its_target_is_in_the_status() {
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    Story::of(&engine, SIZE).begin("s1").await;
    for (snapshot, told) in [("volume-head", "take a snapshot"), ("nobody", "nobody")] {
        let request = shelf.backup("b0", snapshot);
        let refused = engine.run(|volume| async move { volume.back_up(request).await }).await.unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }
    shelf.take_away();
    engine.begin_backup(shelf.backup("b1", "s1")).await;
    let failed = engine.backup_over("b1").await;
    assert_eq!(failed.state(), TransferState::TransferFailed);
    assert!(!failed.error.is_empty() && !failed.next_step.is_empty(), "{failed:?}");
    shelf.put_back();
    engine.back_up(shelf.backup("b1", "s1")).await;
    assert_eq!(engine.status().backups.len(), 1, "one entry for each name");

    let target = Parties::new(SIZE, 1).await;
    let empty = target.attach().await.unwrap();
    empty.begin_restore(shelf.restore("b9")).await;
    let failed = empty.restore_over().await;
    assert!(failed.state() == TransferState::TransferFailed && failed.error.contains("b9"), "{failed:?}");
    let status = empty.status();
    assert_eq!((status.unfinished_restore.as_str(), status.snapshots.len()), ("", 1), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changes_layers_under_a_restore_or_takes_its_marks() {
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let mut story = Story::of(&engine, SIZE);
    story.begin("s1").await;
    engine.back_up(shelf.backup("b1", "s1")).await;
    story.write(0, noise(4, 20 * MIB)).await;
    let second = story.snapshot("s2").await;
    engine.back_up(shelf.backup("b2", "s2")).await;

    let target = Parties::new(SIZE, 2).await;
    let standby = target.attach().await.unwrap();
    let held = standby.restore(shelf.restore("b1")).await.snapshot;
    standby.begin_restore(shelf.restore("b2")).await;
    standby.wait("the marker is there", |status| status.unfinished_restore == "b2").await;
    target.replicas[0].proxy.hold();
    let runs = || standby.status().restore.unwrap().state() == TransferState::TransferInProgress;
    if runs() {
        let refused = refusal(&standby, shelf.restore("b1")).await;
        assert!(refused.contains("a restore is running"), "{refused}");
        let taken = standby.run(|volume| async move { volume.snapshot("user", BTreeMap::new(), true).await }).await;
        if runs() {
            assert!(taken.unwrap_err().to_string().contains("being restored"));
        }
    }
    target.replicas[0].proxy.release();
    standby.restore_over().await;
    assert_same(&all(&standby).await, &second, "the second backup");
    assert!(standby.status().snapshots.iter().all(|snapshot| snapshot.name != held || snapshot.removed));

    // A restore that is not complete keeps what it stands on.
    story.write(0, noise(5, 8 * MIB)).await;
    story.snapshot("s3").await;
    engine.back_up(shelf.backup("b3", "s3")).await;
    standby.begin_restore(shelf.restore("b3")).await;
    standby.wait("the marker is there", |status| status.unfinished_restore == "b3").await;
    standby.run(|volume| async move { volume.cancel_restore().await }).await;
    let status = standby.status();
    if status.restore.as_ref().unwrap().state() == TransferState::TransferCancelled {
        assert_eq!((status.last_restored_backup.as_str(), status.unfinished_restore.as_str()), ("b2", "b3"));
        let marked = status.snapshots.iter().filter(|snapshot| !snapshot.removed && !snapshot.labels.is_empty());
        let (mut kept, mut idle) = (0, 0);
        for snapshot in marked {
            let name = snapshot.name.clone();
            match standby.run(|volume| async move { volume.remove_snapshot(&name).await }).await {
                Err(error) => {
                    assert!(error.to_string().contains("not complete"), "{error}");
                    kept += 1;
                }
                Ok(()) => idle += 1,
            }
        }
        assert_eq!((kept, idle), (3, 0), "the backup, the marker of the next one, and the first one");
    }
    standby.restore(shelf.restore("b3")).await;
    assert_same(&all(&standby).await, &story.content, "the third backup");
}
