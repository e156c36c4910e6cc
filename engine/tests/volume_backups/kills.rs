//! Engines and replicas killed at random moments of restores, with a printed seed.
//!
//! After every kill another engine starts, as the manager has it, and looks: the volume shows the old backup, the new
//! one, or says that a restore is not complete. However often that happens, it ends with the right bytes.

use std::time::Duration;

use aurochs_engine::grpc::engine_v1::{EngineStatus, ReplicaMode, TransferState};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::content::{MIB, Story, all, assert_same, noise};
use crate::parties::transfers::Shelf;
use crate::parties::{Parties, TestEngine};

const SIZE: u64 = 16 * MIB;
const COPIES: usize = 2;
/// Kills of a run where `AUROCHS_RESTORE_KILLS` says nothing.
const KILLS: usize = 60;
/// Longest time from the beginning of a restore to the kill: some come after its end.
const LATEST: Duration = Duration::from_millis(150);

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What the volume says it is, checked against what it shows.
async fn check(engine: &TestEngine, backups: &[(String, Vec<u8>)], what: &str) -> EngineStatus {
    let status = engine.status();
    let found = backups.iter().find(|(name, _)| *name == status.last_restored_backup);
    if status.unfinished_restore.is_empty() {
        let empty = vec![0; SIZE as usize];
        let expected = found.map_or(&empty, |(_, content)| content);
        assert_same(&all(engine).await, expected, &format!("{what}: it says {:?}", status.last_restored_backup));
    }
    status
}

/// Makes all replicas members again, as the manager does.
async fn mend(engine: &TestEngine, parties: &mut Parties) {
    for replica in &mut parties.replicas {
        replica.start();
        if engine.mode(&replica.name) != Some(ReplicaMode::Rw) {
            engine.rebuild(replica).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_end_with_the_right_bytes_whatever_is_killed() {
    let seed = setting("AUROCHS_RESTORE_SEED").unwrap_or_else(rand::random);
    let kills = setting("AUROCHS_RESTORE_KILLS").map_or(KILLS, |kills| kills as usize);
    println!("AUROCHS_RESTORE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let source = Parties::new(SIZE, 1).await;
    let engine = source.attach().await.unwrap();
    let shelf = Shelf::new(source.root.path());
    let mut story = Story::of(&engine, SIZE);
    let mut backups = Vec::new();
    for (name, snapshot) in [("b1", "s1"), ("b2", "s2"), ("b3", "s3")] {
        for _ in 0..3 {
            let at = random.random_range(0..SIZE / MIB - 2) * MIB + random.random_range(0..200) * 4096;
            story.write(at, noise(random.random(), MIB)).await;
            story.zero(random.random_range(0..SIZE / MIB) * MIB, MIB).await;
        }
        let content = story.snapshot(snapshot).await;
        engine.back_up(shelf.backup(name, snapshot)).await;
        backups.push((name.to_owned(), content));
    }
    let (mut killed, mut unfinished, mut round) = (0, 0, 0);
    while killed < kills {
        round += 1;
        let mut target = Parties::new(SIZE, COPIES).await;
        let mut standby = target.attach().await.unwrap();
        for wanted in 0..backups.len() {
            loop {
                let what = format!("seed {seed}, round {round}, {killed} kills, wanted {}", backups[wanted].0);
                let is_over = standby.status().last_restored_backup == backups[wanted].0
                    && standby.status().unfinished_restore.is_empty();
                if is_over || killed == kills {
                    break;
                }
                // Now and then another backup comes between, which is the newest by then.
                let asked = if random.random_bool(0.1) { backups.len() - 1 } else { wanted };
                standby.begin_restore(shelf.restore(&backups[asked].0)).await;
                tokio::time::sleep(random.random_range(Duration::ZERO..LATEST)).await;
                if random.random_bool(0.3) {
                    let replica = random.random_range(0..COPIES);
                    target.replicas[replica].crash().await;
                }
                if random.random_bool(0.3) {
                    for replica in &mut target.replicas {
                        replica.crash().await;
                    }
                }
                standby.crash();
                killed += 1;
                for replica in &mut target.replicas {
                    replica.start();
                }
                standby = target.attach().await.unwrap();
                let status = check(&standby, &backups, &what).await;
                unfinished += usize::from(!status.unfinished_restore.is_empty());
                mend(&standby, &mut target).await;
            }
        }
        let (last, content) = backups.last().unwrap();
        let what = format!("seed {seed}, round {round}");
        let over = standby.restore(shelf.restore(last)).await;
        assert_eq!(over.state(), TransferState::TransferComplete, "{what}");
        check(&standby, &backups, &what).await;
        assert_same(&all(&standby).await, content, &what);
        standby.run(|volume| async move { volume.close().await }).await.unwrap();
        let names: Vec<_> = target.replicas.iter().map(|replica| replica.name.clone()).collect();
        assert_same(&target.equal_content(&names).await, content, &format!("{what}: all replicas"));
    }
    assert!(unfinished > 0 || kills < 10, "seed {seed}: no kill came in the middle of a restore");
    println!("{killed} kills, {unfinished} in the middle of a restore");
}
