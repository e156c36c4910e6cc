//! What an engine tells of its volume the moment it is up.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod parties;

use std::collections::BTreeMap;
use std::sync::Arc;

use aurochs_engine::volume::Volume;
use parties::Parties;

/// The manager takes the first status of a running engine for the truth: a revert that follows at once, as the
/// dashboard's does, was refused because the snapshot "did not exist".
#[tokio::test(flavor = "current_thread")]
async fn a_volume_that_is_up_knows_its_layers() {
    let parties = Parties::new(1 << 20, 2).await;
    let engine = parties.attach().await.unwrap();
    engine.run(|volume| async move { volume.snapshot("before", BTreeMap::new(), true).await }).await.unwrap();
    engine.run(|volume| async move { volume.close().await }).await.unwrap();
    drop(engine);

    // On this one thread nothing that the start leaves for later has run before the status is asked for.
    let volume = Volume::start(parties.raise_epoch(), Arc::new(parties.keeper.clone())).await.unwrap();
    let names: Vec<_> = volume.status().snapshots.into_iter().map(|snapshot| snapshot.name).collect();
    assert_eq!(names, ["before", "volume-head"]);
    volume.close().await.unwrap();
}
