//! Backups that succeed, and what is restored from them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aurochs_engine::backup::{BackupRecord, Mode, layout};
use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::{BlockDevice, Durability};
use aurochs_engine::grpc::engine_v1::EngineStatus;
use aurochs_engine::volume::backup::BackupRequest;
use aurochs_engine::volume::purge::IfPurging;

use crate::content::{MIB, SIZE, Story, all, assert_same, noise};
use crate::parties::transfers::Shelf;
use crate::parties::{HEAD, Parties, TestEngine};

fn names(parties: &Parties) -> Vec<String> {
    parties.replicas.iter().map(|replica| replica.name.clone()).collect()
}

/// Snapshots that are not removed.
fn live(status: &EngineStatus) -> Vec<&str> {
    let live = status.snapshots.iter().filter(|snapshot| !snapshot.removed && snapshot.name != "volume-head");
    live.map(|snapshot| snapshot.name.as_str()).collect()
}

fn full(request: BackupRequest) -> BackupRequest {
    BackupRequest { mode: Mode::Full, ..request }
}

/// Writes all over the volume until it is told to end.
fn disturb(engine: &TestEngine) -> (Arc<AtomicBool>, tokio::task::JoinHandle<()>) {
    let end = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&end);
    let task = engine.spawn(|volume| async move {
        for step in 0_u64.. {
            if told.load(Ordering::Relaxed) {
                return;
            }
            let data = AlignedBuf::copy_of(&vec![200 + (step % 50) as u8; 3 * 4096]);
            volume.write(step * 700_001 % (SIZE - MIB), data, Durability::Written).await.unwrap();
        }
    });
    (end, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_writes_is_restored_to_every_replica() {
    let source = Parties::new(SIZE, 2).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let mut story = Story::of(&engine, SIZE);
    let expected = story.begin("s").await;
    let (end, disturbing) = disturb(&engine);
    let backup = engine.back_up(shelf.backup("b1", "s")).await;
    end.store(true, Ordering::Relaxed);
    disturbing.await.unwrap();
    assert!(!backup.incremental);
    // 0..4, 5..14 with the zeros written in it, and the last MiB.
    assert_eq!(backup.size_bytes, 14 * MIB, "{backup:?}");
    assert!(backup.url.contains("backup=b1&volume=v-stored"), "{}", backup.url);

    let mut target = Parties::new(SIZE, 3).await;
    let restored = target.attach().await.unwrap();
    let over = restored.restore(shelf.restore("b1")).await;
    assert_eq!((over.previous_backup.as_str(), over.resumed), ("", false));
    let status = restored.status();
    assert_eq!((status.last_restored_backup.as_str(), status.unfinished_restore.as_str()), ("b1", ""));
    assert!(live(&status).contains(&over.snapshot.as_str()));
    assert_same(&all(&restored).await, &expected, "the restored volume");
    restored.run(|volume| async move { volume.close().await }).await.unwrap();
    let names = names(&target);
    let views = target.equal_views(&names).await;
    assert_same(&views[HEAD], &expected, "its replicas");
    assert_same(&views[&format!("volume-snap-{}.img", over.snapshot)], &expected, "the snapshot that holds the backup");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_backup_of_a_series_holds_its_snapshot_and_uploads_what_is_new() {
    let source = Parties::new(SIZE, 2).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let mut story = Story::of(&engine, SIZE);
    let mut expected = vec![story.begin("s1").await];
    engine.back_up(shelf.backup("b1", "s1")).await;
    assert_eq!(shelf.blocks(), 14);
    story.write(MIB + 4096, noise(4, 4096)).await;
    story.write(16 * MIB, noise(5, MIB)).await;
    expected.push(story.snapshot("s2").await);
    let second = engine.back_up(shelf.backup("b2", "s2")).await;
    assert!(second.incremental);
    assert_eq!((shelf.blocks(), second.planned_bytes), (16, 2 * MIB), "{second:?}");
    story.zero(2 * MIB, MIB).await;
    expected.push(story.snapshot("s3").await);
    let third = engine.back_up(shelf.backup("b3", "s3")).await;
    assert!(third.incremental);
    assert_eq!(shelf.blocks(), 16, "a block of zeros is there already");
    // The snapshot of the last backup is gone: everything is read, and nothing is stored again.
    engine.run(|volume| async move { volume.remove_snapshot("s3").await }).await.unwrap();
    expected.push(story.snapshot("s4").await);
    let fourth = engine.back_up(shelf.backup("b4", "s4")).await;
    assert!(!fourth.incremental);
    assert_eq!((shelf.blocks(), fourth.newly_uploaded_bytes), (16, 0));
    let fifth = engine.back_up(full(shelf.backup("b5", "s4"))).await;
    assert!(!fifth.incremental && fifth.re_uploaded_bytes > 0, "{fifth:?}");
    for (backup, expected) in ["b1", "b2", "b3", "b4", "b5"].into_iter().zip(expected.iter().chain(expected.last())) {
        let target = Parties::new(SIZE, 1).await;
        let restored = target.attach().await.unwrap();
        restored.restore(shelf.restore(backup)).await;
        assert_same(&all(&restored).await, expected, backup);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_volume_follows_a_series() {
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let mut story = Story::of(&engine, SIZE);
    let before = story.content.clone();
    engine.run(|volume| async move { volume.snapshot("s0", Default::default(), true).await }).await.unwrap();
    let first = story.begin("s1").await;
    engine.back_up(shelf.backup("b1", "s1")).await;
    story.write(3 * MIB, noise(6, MIB)).await;
    story.write(20 * MIB, noise(7, MIB)).await;
    let second = story.snapshot("s2").await;
    engine.back_up(shelf.backup("b2", "s2")).await;
    // Back to before there was anything; what is written then is all that the third backup has.
    engine.run(|volume| async move { volume.revert("s0").await }).await.unwrap();
    story.content = before;
    story.write(10 * MIB, noise(8, 2 * MIB)).await;
    let third = story.snapshot("s3").await;
    engine.back_up(full(shelf.backup("b3", "s3"))).await;

    let mut target = Parties::new(SIZE, 2).await;
    let mut standby = target.attach().await.unwrap();
    let mut previous = String::new();
    for (backup, expected) in [("b1", &first), ("b2", &second), ("b3", &third)] {
        let over = standby.restore(shelf.restore(backup)).await;
        assert_eq!(over.previous_backup, previous);
        assert_same(&all(&standby).await, expected, backup);
        // The same again has nothing to do.
        let again = standby.restore(shelf.restore(backup)).await;
        assert_eq!((again.snapshot, again.planned_bytes), (over.snapshot.clone(), 0));
        let status = standby.status();
        assert_eq!((status.last_restored_backup.as_str(), status.unfinished_restore.as_str()), (backup, ""));
        let live = live(&status);
        assert_eq!(live.len(), 2, "the snapshot that holds the backup, and the first marker: {live:?}");
        assert!(live.contains(&over.snapshot.as_str()));
        // Another purge leaves what the next restore needs, and another engine finds it.
        standby.run(|volume| async move { volume.purge(IfPurging::Refuse).await }).await.unwrap();
        standby.wait("the purge is over", |status| status.exclusive_work.is_empty()).await;
        standby.run(|volume| async move { volume.close().await }).await.unwrap();
        standby = target.attach().await.unwrap();
        let status = standby.status();
        assert_eq!((status.last_restored_backup.as_str(), status.last_restored_volume.as_str()), (backup, "v-stored"));
        previous = backup.to_owned();
    }
    standby.run(|volume| async move { volume.close().await }).await.unwrap();
    let names = names(&target);
    assert_same(&target.equal_content(&names).await, &third, "all replicas");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_volume_grows_with_its_source_and_does_without_a_backup_that_is_gone() {
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let mut story = Story::of(&engine, SIZE);
    story.begin("s1").await;
    engine.back_up(shelf.backup("b1", "s1")).await;
    let target = Parties::new(SIZE, 2).await;
    let standby = target.attach().await.unwrap();
    standby.restore(shelf.restore("b1")).await;

    let larger = SIZE + 8 * MIB;
    engine.run(|volume| async move { volume.expand(larger, async { Ok(()) }).await }).await.unwrap();
    story.content.resize(larger as usize, 0);
    story.write(larger - 2 * MIB, noise(9, MIB)).await;
    story.write(0, noise(10, MIB)).await;
    let grown = story.snapshot("s2").await;
    engine.back_up(shelf.backup("b2", "s2")).await;
    standby.restore(shelf.restore("b2")).await;
    assert_same(&all(&standby).await, &grown, "the larger backup");

    story.zero(6 * MIB, MIB).await;
    story.write(12 * MIB, noise(11, MIB)).await;
    let last = story.snapshot("s3").await;
    engine.back_up(shelf.backup("b3", "s3")).await;
    let record = |backup: &str| aurochs_engine::backup::layout::backup_record("v-stored", backup);
    std::fs::remove_file(source.root.path().join("shelf").join(record("b2"))).unwrap();
    standby.restore(shelf.restore("b3")).await;
    assert_same(&all(&standby).await, &last, "what could only be compared");
    assert_eq!(standby.status().last_restored_backup, "b3");
}

/// The backup that a standby volume holds was deleted, and the name given to another one: nothing that was known of the first
/// says anything about the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_volume_does_not_take_a_backup_for_another_of_its_name() {
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let mut story = Story::of(&engine, SIZE);
    story.begin("s1").await;
    engine.back_up(shelf.backup("b1", "s1")).await;
    let target = Parties::new(SIZE, 1).await;
    let standby = target.attach().await.unwrap();
    let first = standby.restore(shelf.restore("b1")).await;
    let status = standby.status();
    assert!(!status.last_restored_created.is_empty() && first.created == status.last_restored_created, "{first:?}");

    std::fs::remove_dir_all(source.root.path().join("shelf/backupstore")).unwrap();
    story.write(3 * MIB, noise(12, MIB)).await;
    story.zero(6 * MIB, MIB).await;
    let again = story.snapshot("s2").await;
    engine.back_up(shelf.backup("b1", "s2")).await;
    // Also where both were made in one second.
    let path = source.root.path().join("shelf").join(layout::backup_record("v-stored", "b1"));
    let mut record = BackupRecord::decode("", &std::fs::read(&path).unwrap()).unwrap();
    record.created_time = "2042-01-01T00:00:00Z".to_owned();
    std::fs::write(&path, record.encode().unwrap()).unwrap();

    let second = standby.restore(shelf.restore("b1")).await;
    assert_ne!(second.snapshot, first.snapshot, "it is not the one that is there");
    assert_same(&all(&standby).await, &again, "the later backup of that name");
    assert_eq!(standby.status().last_restored_created, "2042-01-01T00:00:00Z");
    // And the difference to the next one is told from the second.
    story.write(0, noise(13, MIB)).await;
    let last = story.snapshot("s3").await;
    engine.back_up(shelf.backup("b2", "s3")).await;
    let third = standby.restore(shelf.restore("b2")).await;
    assert_eq!(third.planned_bytes, MIB, "{third:?}");
    assert_same(&all(&standby).await, &last, "the next backup");
}
