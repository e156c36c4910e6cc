//! What the logs of dirty regions say after an unclean stop, and when regions become clean.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aurochs_engine::link::control::RemoteErrorKind;
use aurochs_engine::link::frame::Kind;
use aurochs_engine::replica::{OpenOptions, Replica};
use aurochs_engine::rule;

use crate::parties::fake::Reply;
use crate::parties::{Parties, Party};
use crate::{BLOCK, MIB, close, put, scripted, write};

/// Two members of which one has another byte in each of two regions: in the first, which is dirty in a log, and in the last,
/// which is clean.
async fn differing_after_a_crash() -> Parties {
    let mut parties = Parties::new(8 * MIB, 2).await;
    let mut engine = parties.attach().await.unwrap();
    for offset in [0, 7 * MIB] {
        put(&engine, offset, 1, BLOCK).await;
    }
    while !engine.run(|volume| async move { volume.clear_dirty_regions().await }).await {}
    put(&engine, 0, 2, BLOCK).await;
    engine.crash();
    for replica in &mut parties.replicas {
        replica.crash().await;
    }
    let image = std::fs::File::options().write(true).open(parties.replicas[1].head()).unwrap();
    for offset in [0, 7 * MIB] {
        image.write_all_at(&[9; BLOCK], offset).unwrap();
    }
    image.sync_all().unwrap();
    parties
}

/// Whether the members are equal in the first region, and in the last, after the next engine has compared.
async fn is_made_equal(parties: &mut Parties) -> (bool, bool) {
    for replica in &mut parties.replicas {
        replica.start();
    }
    let mut engine = parties.attach().await.unwrap();
    engine.wait("all equal", |status| status.reconcile_regions_left == 0).await;
    engine.crash();
    let byte = |replica: &Party, offset: u64| {
        let mut found = [0];
        std::fs::File::open(replica.head()).unwrap().read_exact_at(&mut found, offset).unwrap();
        found
    };
    let [one, other] = &parties.replicas[..] else { unreachable!("two replicas") };
    (byte(one, 0) == byte(other, 0), byte(one, 7 * MIB) == byte(other, 7 * MIB))
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_unclean_stop_what_the_logs_say_is_compared_and_no_more() {
    let mut parties = differing_after_a_crash().await;
    assert_eq!(is_made_equal(&mut parties).await, (true, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_compared_where_one_member_has_no_log_that_can_be_trusted() {
    let mut parties = differing_after_a_crash().await;
    // The log of the other one knows nothing of what that one writes.
    parties.replicas[0].was_opened_elsewhere();
    assert_eq!(is_made_equal(&mut parties).await, (true, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_become_clean_when_what_was_in_flight_has_ended() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let (engine, mut fakes, _parties) = scripted(root.path(), 2).await;
    let ended = [Arc::clone(&fakes[0].rounds_ended), Arc::clone(&fakes[1].rounds_ended)];
    let ended = || ended.each_ref().map(|count| count.load(Ordering::SeqCst));
    engine.wait("all clean at the start", |_| ended() == [1, 1]).await;
    let written = engine.spawn(|volume| write(volume, 0, 1, BLOCK));
    fakes[0].next_of(Kind::Write).await.answer(Reply::Done);
    let on_second = fakes[1].next_of(Kind::Write).await;
    let cleared = engine.spawn(|volume| async move { volume.clear_dirty_regions().await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(ended() == [1, 1] && !cleared.is_finished(), "only one of them has the write");
    // Others are not held back meanwhile.
    let elsewhere = engine.spawn(|volume| write(volume, 8192, 1, BLOCK));
    for fake in &mut fakes {
        fake.next_of(Kind::Write).await.answer(Reply::Done);
    }
    elsewhere.await.unwrap().unwrap();
    on_second.answer(Reply::Done);
    written.await.unwrap().unwrap();
    assert!(cleared.await.unwrap());
    assert_eq!(ended(), [2, 2]);
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build leaves no rule out")]
fn what_is_in_flight_has_to_be_waited_for() {
    let test = ["--exact", "dirty_regions::regions_become_clean_when_what_was_in_flight_has_ended"];
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(test)
        .env(rule::LEAVE_OUT, rule::ROUNDS_WAIT)
        .output();
    let said = String::from_utf8(run.unwrap().stdout).unwrap();
    assert!(said.contains("only one of them has the write"), "nothing notices that the rule is left out: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_stay_dirty_when_a_member_went_meanwhile() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let (engine, mut fakes, _parties) = scripted(root.path(), 2).await;
    let ended = Arc::clone(&fakes[0].rounds_ended);
    engine.wait("all clean at the start", |_| ended.load(Ordering::SeqCst) == 1).await;
    let written = engine.spawn(|volume| write(volume, 0, 1, BLOCK));
    fakes[0].next_of(Kind::Write).await.answer(Reply::Done);
    let on_second = fakes[1].next_of(Kind::Write).await;
    let cleared = engine.spawn(|volume| async move { volume.clear_dirty_regions().await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    on_second.answer(Reply::Fails(RemoteErrorKind::Failed));
    written.await.unwrap().unwrap();
    assert!(!cleared.await.unwrap());
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_was_closed_leaves_nothing_dirty() {
    let parties = Parties::new(8 * MIB, 2).await;
    let engine = parties.attach().await.unwrap();
    put(&engine, 3 * MIB, 1, BLOCK).await;
    close(&engine).await;
    for replica in &parties.replicas {
        let open = Replica::open(&replica.directory, OpenOptions::default()).unwrap();
        assert_eq!(open.dirty_regions().unwrap().unwrap().ranges().unwrap(), []);
    }
}
