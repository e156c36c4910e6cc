//! Checksums of snapshots: when there is one, when there is none any more, and what a damaged disk shows.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::replica::ReplicaError;
use crate::replica::hash::{HashControl, HashError, HashJobs, HashState, NodeLock};

const IMAGE: &str = "volume-snap-s.img";
const CHECKSUM: &str = "volume-snap-s.img.checksum";
const PATIENCE: Duration = Duration::from_secs(60);

fn with_snapshot() -> (Scratch, Replica) {
    let scratch = Scratch::new(2048);
    let replica = scratch.open();
    put(&replica, 3, 700, 7);
    take(&replica, "s");
    (scratch, replica)
}

fn hash(replica: &Replica, rehash: bool) -> Result<crate::replica::hash::SnapshotChecksum, HashError> {
    replica.hash_snapshot("s", rehash, &HashControl::default())
}

/// Changes a byte of the snapshot's file as a decaying disk does: the file system knows nothing of it. The change time
/// can't be set, so the checksum is given the new one instead.
fn decay(scratch: &Scratch, replica: &Replica, found: &str) {
    let mut known: crate::replica::hash::SnapshotChecksum = serde_json::from_str(&scratch.text(CHECKSUM)).unwrap();
    assert_eq!(known.checksum, found);
    let image = scratch.dir.join(IMAGE);
    File::options().write(true).open(&image).unwrap().write_all_at(&[8], 4096 * 3).unwrap();
    assert_eq!(replica.snapshot_checksum("s").unwrap(), None, "a changed file has no checksum");
    assert!(
        matches!(hash(replica, false), Err(HashError::Replica(ReplicaError::Damaged { .. }))),
        "nor does it get one"
    );
    known.change_time = crate::replica::hash::checksum_file::change_time(&fs::metadata(&image).unwrap());
    fs::write(scratch.dir.join(CHECKSUM), serde_json::to_string(&known).unwrap()).unwrap();
}

#[test]
fn a_checksum_is_valid_as_long_as_nobody_changes_the_file() {
    let (scratch, replica) = with_snapshot();
    assert_eq!(replica.snapshot_checksum("s").unwrap(), None);
    let control = HashControl::default();
    let found = replica.hash_snapshot("s", false, &control).unwrap();
    let bytes = fs::read(scratch.dir.join(IMAGE)).unwrap();
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64GoIso, &bytes);
    assert_eq!(found.checksum, format!("{sum:016x}"));
    assert_eq!(control.progress(), (703 * 4096, 2048 * 4096));
    assert_eq!(replica.snapshot_checksum("s").unwrap(), Some(found.clone()));
    assert_eq!(serde_json::to_string(&found).unwrap() + "\n", scratch.text(CHECKSUM));
    drop(replica);
    let replica = scratch.open();
    assert_eq!(hash(&replica, false).unwrap(), found, "it is not made again");
    assert!(!scratch.listing().iter().any(|file| file.ends_with(".tmp")));
}

#[test]
fn decay_keeps_the_first_sum_and_is_told_until_the_data_is_right_again() {
    let (scratch, replica) = with_snapshot();
    let first = hash(&replica, false).unwrap().checksum;
    decay(&scratch, &replica, &first);
    assert!(!hash(&replica, false).unwrap().silently_corrupted, "nobody looked again");
    for _ in 0..2 {
        let again = hash(&replica, true).unwrap();
        assert_eq!((again.checksum.as_str(), again.silently_corrupted), (first.as_str(), true));
        assert_eq!(replica.snapshot_checksum("s").unwrap(), Some(again));
    }
}

#[test]
fn a_snapshot_that_is_none_has_no_checksum() {
    let (_scratch, replica) = with_snapshot();
    take(&replica, "t");
    hash(&replica, false).unwrap();
    let refused = |name: &str| replica.hash_snapshot(name, false, &HashControl::default()).unwrap_err();
    assert!(matches!(refused("x"), HashError::Replica(ReplicaError::SnapshotNotFound { .. })));
    assert!(matches!(refused("../s"), HashError::Replica(ReplicaError::InvalidName { .. })));
    replica.remove_snapshot("s").unwrap();
    assert!(matches!(refused("s"), HashError::Replica(ReplicaError::SnapshotRemoved { .. })));
    assert!(matches!(replica.snapshot_checksum("s"), Err(ReplicaError::SnapshotRemoved { .. })));
}

fn hash_of(replica: &Replica, name: &str) {
    replica.hash_snapshot(name, false, &HashControl::default()).unwrap();
}

#[test]
fn the_files_of_a_removed_snapshot_go_with_its_checksum() {
    let (scratch, replica) = with_snapshot();
    take(&replica, "leaf");
    hash_of(&replica, "leaf");
    replica.revert("s", CREATED).unwrap();
    assert!(scratch.listing().contains(&"volume-snap-leaf.img.checksum".to_owned()));
    replica.remove_snapshot("leaf").unwrap();
    assert!(!scratch.listing().iter().any(|file| file.contains("leaf")), "{:?}", scratch.listing());
}

#[test]
fn a_file_that_changes_meanwhile_gets_no_checksum() {
    let (scratch, replica) = with_snapshot();
    hash(&replica, false).unwrap();
    let path = scratch.dir.join(IMAGE);
    let control = HashControl::default();
    let outcome = thread::scope(|scope| {
        let hashing = scope.spawn(|| replica.hash_snapshot("s", true, &control));
        let began = Instant::now();
        while control.progress().0 == 0 && !hashing.is_finished() {
            assert!(began.elapsed() < PATIENCE, "it never begins");
            thread::yield_now();
        }
        // Until it ends: whenever the last look comes, the file has changed.
        while !hashing.is_finished() {
            File::options().write(true).open(&path).unwrap().write_all_at(&[9], 0).unwrap();
        }
        hashing.join().unwrap()
    });
    assert!(matches!(outcome, Err(HashError::Changed { .. })), "{outcome:?}");
    assert!(!path.with_extension("img.checksum").exists());
}

#[test]
fn a_leftover_of_a_checksum_is_removed_and_a_broken_one_made_again() {
    let (scratch, replica) = with_snapshot();
    let found = hash(&replica, false).unwrap();
    drop(replica);
    let tmp = scratch.dir.join(format!("{CHECKSUM}..tmp"));
    File::create(&tmp).unwrap().write_all(b"{\"method\":\"crc").unwrap();
    fs::write(scratch.dir.join(CHECKSUM), "{\"method\":").unwrap();
    let replica = scratch.open();
    assert!(!tmp.exists());
    assert_eq!(replica.snapshot_checksum("s").unwrap(), None);
    assert_eq!(hash(&replica, false).unwrap().checksum, found.checksum);
}

fn wait(jobs: &HashJobs, replica: &Replica, snapshot: &str, wanted: impl Fn(&HashState) -> bool) -> HashState {
    let began = Instant::now();
    loop {
        let state = jobs.state(replica, snapshot).unwrap();
        if wanted(&state) {
            return state;
        }
        assert!(began.elapsed() < PATIENCE, "last state: {state:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn one_job_at_a_time_and_each_waits_for_the_node() {
    let (scratch, replica) = with_snapshot();
    take(&replica, "t");
    let replica = Arc::new(replica);
    let lock = scratch.dir.with_file_name("lock");
    let jobs = HashJobs::new(NodeLock::at(&lock));
    let elsewhere = File::create(&lock).unwrap();
    elsewhere.lock().unwrap();
    jobs.start(&replica, "s", false).unwrap();
    jobs.start(&replica, "s", false).unwrap();
    let busy = jobs.start(&replica, "t", false).unwrap_err();
    assert!(matches!(&busy, HashError::Busy { running, .. } if running == "s"), "{busy}");
    assert_eq!(jobs.state(&replica, "s").unwrap(), HashState::Waiting);
    assert_eq!(jobs.state(&replica, "t").unwrap(), HashState::None);
    jobs.cancel("t", "not this one");
    jobs.cancel("s", "the test says so");
    let failed = wait(&jobs, &replica, "s", |state| *state != HashState::Waiting);
    assert!(matches!(&failed, HashState::Failed { why } if why.contains("the test says so")), "{failed:?}");
    jobs.start(&replica, "s", false).unwrap();
    elsewhere.unlock().unwrap();
    let complete = wait(&jobs, &replica, "s", |state| matches!(state, HashState::Complete(_)));
    let HashState::Complete(found) = complete else { unreachable!() };
    assert_eq!(Some(found), replica.snapshot_checksum("s").unwrap());
    assert!(!jobs.lock().is_held().unwrap());
}
