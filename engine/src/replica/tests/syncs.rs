//! What a flush covers, and what is confirmed once a sync has failed.

use std::sync::Arc;

use nix::libc::EIO;
use tokio::sync::oneshot;

use super::{BLOCK, OpenOptions, Scratch, put, take};
use crate::disk::fault::fail;
use crate::disk::queue::IoQueue;
use crate::replica::{Replica, ReplicaError};

const HEAD: &str = "volume-head-000.img";

type Answer = oneshot::Receiver<Result<(), ReplicaError>>;

/// Begins a flush that needs no thread.
fn begin(replica: &Arc<Replica>, queue: &IoQueue) -> Answer {
    begin_if_ready(replica, queue).expect("there is nothing to wait for but the disk")
}

/// The same where somebody else may hold what it needs for a moment.
fn begin_if_ready(replica: &Arc<Replica>, queue: &IoQueue) -> Option<Answer> {
    let flush = replica.ready_flush()?;
    let (answer, answered) = oneshot::channel();
    flush.start(queue, |outcome| answer.send(outcome).unwrap());
    Some(answered)
}

#[tokio::test]
async fn flushes_that_come_during_a_sync_share_the_next_one() {
    let scratch = Scratch::new(4);
    let replica = Arc::new(scratch.open());
    // Where the tests run without io_uring there is no queue to test.
    let Ok(queue) = IoQueue::start() else { return };
    put(&replica, 0, 1, 1);
    let before = replica.syncs_begun();
    let first = begin(&replica, &queue);
    // The kernel gets the first one when this test waits, and it may have begun before these come.
    let others = [begin(&replica, &queue), begin(&replica, &queue)];
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(replica.syncs_begun() - before, 2);
}

#[tokio::test]
async fn a_thread_that_flushes_comes_to_its_turn_and_lets_the_others_go_on() {
    let scratch = Scratch::new(4);
    let replica = Arc::new(scratch.open());
    let Ok(queue) = IoQueue::start() else { return };
    let mut answers = vec![begin(&replica, &queue)];
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let replica = Arc::clone(&replica);
            tokio::task::spawn_blocking(move || replica.flush())
        })
        .collect();
    for _ in 0..100 {
        answers.extend(begin_if_ready(&replica, &queue));
        tokio::task::yield_now().await;
    }
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    for thread in threads {
        thread.await.unwrap().unwrap();
    }
}

/// Threads that come one after the other must not keep them waiting.
#[tokio::test]
async fn a_thread_syncs_for_those_that_wait_too() {
    let scratch = Scratch::new(4);
    let replica = Arc::new(scratch.open());
    let Ok(queue) = IoQueue::start() else { return };
    put(&replica, 0, 1, 1);
    let before = replica.syncs_begun();
    // The queue gets it when this test waits: until then it goes on.
    let first = begin(&replica, &queue);
    let second = begin(&replica, &queue);
    let thread = {
        let replica = Arc::clone(&replica);
        std::thread::spawn(move || replica.flush())
    };
    while replica.threads_that_wait_to_sync() == 0 {
        std::thread::yield_now();
    }
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    thread.join().unwrap().unwrap();
    assert_eq!(replica.syncs_begun() - before, 2, "that of the first, and the thread's");
}

#[tokio::test]
async fn after_a_sync_that_failed_nobody_who_waits_is_told_that_it_is_safe() {
    let scratch = Scratch::new(4);
    let replica = Arc::new(scratch.open());
    let Ok(queue) = IoQueue::start() else { return };
    put(&replica, 0, 1, 1);
    let first = begin(&replica, &queue);
    let second = begin(&replica, &queue);
    let fault = fail("sync", HEAD, EIO);
    first.await.unwrap().unwrap();
    assert!(second.await.unwrap().unwrap_err().to_string().contains("Input/output error"));
    drop(fault);
    // The disk syncs again, and that says nothing about what was lost.
    let after = begin(&replica, &queue).await.unwrap();
    assert!(after.unwrap_err().to_string().contains("Input/output error"));
    assert!(replica.flush().is_err() && replica.failure().is_some());
    assert!(replica.close().is_err(), "not marked clean");
}

#[tokio::test]
async fn a_snapshot_waits_for_a_flush_that_has_begun() {
    let scratch = Scratch::new(4);
    let replica = Arc::new(scratch.open());
    let Ok(queue) = IoQueue::start() else { return };
    let flush = begin(&replica, &queue);
    let changing = Arc::clone(&replica);
    let snapshot = tokio::task::spawn_blocking(move || take(&changing, "s"));
    flush.await.unwrap().unwrap();
    snapshot.await.unwrap();
    begin(&replica, &queue).await.unwrap().unwrap();
}

#[test]
fn what_is_more_than_the_head_is_a_threads() {
    let counting = Scratch::with(4, OpenOptions { revision_counter: true, ..OpenOptions::default() });
    assert!(Arc::new(counting.open()).ready_flush().is_none(), "the counter's file is written too");
    let scratch = Scratch::new(4);
    let replica = Arc::new(scratch.open());
    put(&replica, 0, 2, 1);
    take(&replica, "s");
    replica.mark_removed(&["s".to_owned()]).unwrap();
    assert!(replica.ready_flush().is_some());
    assert_eq!(replica.discard(0, BLOCK as u64).unwrap(), BLOCK as u64);
    assert!(replica.ready_flush().is_none(), "a hole in a layer below is not durable yet");
    replica.flush().unwrap();
    assert!(replica.ready_flush().is_some());
}
