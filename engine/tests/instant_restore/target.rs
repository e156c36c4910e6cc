//! Targets that are away, or hold something else.

use std::time::Duration;

use aurochs_engine::volume::lazy::InstantRestore;

use crate::parties::Parties;
use crate::source::{
    BLOCK, SIZE, Source, assert_same, begin, check_at_end, complete, impatient, noise, on_demand, read, restore, write,
};

#[tokio::test(flavor = "multi_thread")]
async fn while_the_target_is_away_requests_fail_with_the_reason_and_later_they_do_not() {
    let source = Source::new().await;
    let parties = Parties::new(SIZE, 2).await;
    let engine = parties.attach().await.unwrap();
    // Long enough for the read that has to succeed, short enough for the requests that have not.
    let bounded = InstantRestore { io_patience: Duration::from_secs(10), ..on_demand() };
    begin(&engine, source.request(bounded)).await;
    read(&engine, 0, 4096).await.unwrap();
    source.shelf.take_away();
    let refused = read(&engine, 4 * BLOCK, 4096).await.unwrap_err().message;
    assert!(refused.contains("backup b1"), "{refused}");
    engine.wait("the status says why", |status| !restore(status).error.is_empty()).await;
    let refused = write(&engine, 4 * BLOCK + 4096, &[1; 4096]).await.unwrap_err().message;
    assert!(refused.contains("backup b1"), "{refused}");
    // What is here is served, and so is what needs nothing from there.
    assert_same(&read(&engine, 4096, 4096).await.unwrap(), &source.content[4096..8192], 4096, "local");
    write(&engine, 0, &[2; 4096]).await.unwrap();
    write(&engine, 5 * BLOCK, &noise(2, BLOCK)).await.unwrap();
    // An engine that starts meanwhile has no target either.
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    drop(engine);
    let engine = parties.attach().await.unwrap();
    engine.wait("the reason is told", |status| !restore(status).error.is_empty()).await;
    assert_same(&read(&engine, 0, 4096).await.unwrap(), &[2; 4096], 0, "local");
    source.shelf.put_back();
    complete(&engine).await;
    let mut expected = source.content.clone();
    expected[..4096].fill(2);
    expected[5 * BLOCK as usize..6 * BLOCK as usize].copy_from_slice(&noise(2, BLOCK));
    check_at_end(engine, parties, &expected, "the target was away").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_backup_of_the_name_is_not_taken_for_it() {
    let source = Source::new().await;
    let other = Source::with(99).await;
    let parties = Parties::new(SIZE, 1).await;
    let engine = parties.attach().await.unwrap();
    begin(&engine, source.request(on_demand())).await;
    read(&engine, 0, 4096).await.unwrap();
    let refused = restore(&{
        engine.begin_restore(other.request(impatient())).await;
        engine.wait("the other one is refused", |status| restore(status).error.contains("another one")).await
    });
    assert!(refused.error.contains("backup b1"), "{}", refused.error);
    let failed = read(&engine, 4 * BLOCK, 4096).await.unwrap_err().message;
    assert!(failed.contains("another one"), "{failed}");
    assert_same(&read(&engine, 0, BLOCK).await.unwrap(), &source.content[..BLOCK as usize], 0, "what is here");
    engine.begin_restore(source.request(Default::default())).await;
    complete(&engine).await;
    check_at_end(engine, parties, &source.content, "the right one").await;
}
