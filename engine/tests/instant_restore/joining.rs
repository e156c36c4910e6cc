//! Replicas that are rebuilt while blocks are remote.

use crate::parties::Parties;
use crate::source::{
    BLOCK, SIZE, Source, assert_same, begin, check_at_end, complete, noise, on_demand, read, remote, says_rebuilding,
    write,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_joined_knows_what_is_remote_when_it_is_the_last() {
    let source = Source::new().await;
    let mut parties = Parties::new(SIZE, 1).await;
    let engine = parties.attach().await.unwrap();
    begin(&engine, source.request(on_demand())).await;
    let mut expected = source.content.clone();
    let bytes = noise(11, 8192);
    write(&engine, BLOCK + 4096, &bytes).await.unwrap();
    expected[BLOCK as usize + 4096..][..8192].copy_from_slice(&bytes);
    let joined = parties.another().await;
    engine.rebuild(&parties.replicas[joined]).await;
    assert!(says_rebuilding(&parties.replicas[joined].directory), "it is not complete yet");
    // What comes now goes to both.
    let bytes = noise(12, 4096);
    write(&engine, 6 * BLOCK, &bytes).await.unwrap();
    expected[6 * BLOCK as usize..][..4096].copy_from_slice(&bytes);
    parties.replicas[0].crash().await;
    let half = 4 * BLOCK;
    let seen = read(&engine, 0, half).await.unwrap();
    assert_same(&seen, &expected[..half as usize], 0, "from the one that joined");
    assert!(remote(&engine) > 0, "there is something left for the next engine");
    drop(engine);
    let engine = parties.attach().await.unwrap();
    assert_same(&read(&engine, 0, SIZE).await.unwrap(), &expected, 0, "with another engine");
    complete(&engine).await;
    parties.replicas[0].start();
    engine.rebuild(&parties.replicas[0]).await;
    check_at_end(engine, parties, &expected, "joined").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_beside_the_fetching_ends_with_equal_replicas() {
    let source = Source::new().await;
    let mut parties = Parties::new(SIZE, 1).await;
    let engine = parties.attach().await.unwrap();
    begin(&engine, source.request(Default::default())).await;
    let joined = parties.another().await;
    engine.rebuild(&parties.replicas[joined]).await;
    complete(&engine).await;
    let snapshots = engine.status().snapshots;
    let live: Vec<_> =
        snapshots.iter().filter(|snapshot| !snapshot.removed && snapshot.name != "volume-head").collect();
    assert!(live.len() <= 1, "{live:?}");
    check_at_end(engine, parties, &source.content, "beside").await;
}
