//! What every keeper promises, as the store's users meet it; each on SQLite here, and all on a Kubernetes API server by
//! `kube/tests.rs`. What only a file can show stands at the end.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::kube::Kube;
use super::sqlite::Sqlite;
use super::{Store, StoreError, WatchEvent};
use crate::resources::volume::{VolumeSpec, VolumeState};
use crate::resources::{LABEL_VOLUME, Object, Replica, Setting, Volume};

/// An empty store and the place that it is in.
pub(super) struct Fixture {
    store: Store,
    place: Place,
}

/// Where a store lives on when it is closed.
pub(super) enum Place {
    File(tempfile::TempDir),
    Namespace(::kube::Client, String),
}

/// Room for changes that nobody reads, where a test says nothing else.
const ROOM: usize = 256;

impl Fixture {
    async fn in_a_file() -> Self {
        Self::at(Place::File(tempfile::tempdir().unwrap())).await
    }

    pub(super) async fn at(place: Place) -> Self {
        let store = place.open(ROOM).await;
        Self { store, place }
    }

    /// As another process would.
    async fn open(&self) -> Store {
        self.place.open(ROOM).await
    }

    async fn volume(&self, name: &str) -> Object<Volume> {
        self.store.create(&Object::<Volume>::new(name, VolumeSpec::default())).await.unwrap()
    }
}

impl Place {
    async fn open(&self, room: usize) -> Store {
        match self {
            Self::File(directory) => {
                let file = directory.path().join("aurochs.db");
                Store::new(Arc::new(Sqlite::open_buffered(&file, room).await.unwrap()))
            }
            Self::Namespace(client, namespace) => {
                Store::new(Arc::new(Kube::open_buffered(client.clone(), namespace, room).await.unwrap()))
            }
        }
    }
}

/// Name and test of each promise.
type Promise = (&'static str, fn(Fixture) -> BoxFuture<'static, ()>);

macro_rules! promises {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::Fixture::in_a_file().await).await;
                }
            )*
        }

        pub(super) const PROMISES: &[Promise] =
            &[$((stringify!($name), |fixture| Box::pin($name(fixture)))),*];
    };
}

promises![
    a_reader_that_stands_still_holds_nobody_up,
    what_was_written_is_there_after_a_restart,
    a_stale_write_is_refused,
    concurrent_modifications_all_count,
    spec_and_status_are_written_apart,
    an_unchanged_write_changes_no_version,
    deletion_waits_for_the_finalizer,
    a_second_creation_is_refused_and_a_recreated_object_is_another_one,
    labels_find_the_objects_of_a_volume,
    annotations_are_kept,
    a_watch_tells_what_is_there_and_then_every_change,
    a_watch_that_fell_behind_gets_the_present,
    a_change_follows_what_another_process_wrote,
];

/// Whoever asked for a list and is not looked at any more (one of several futures whose owner waits for something else)
/// keeps nobody else from reading.
async fn a_reader_that_stands_still_holds_nobody_up(fixture: Fixture) {
    let mut first = Box::pin(fixture.store.list::<Replica>());
    let mut second = Box::pin(fixture.store.list::<Setting>());
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
    let others = tokio::time::timeout(std::time::Duration::from_secs(60), fixture.store.list::<Volume>()).await;
    assert!(others.expect("nobody gives the turn back").unwrap().is_empty());
    assert!(first.await.unwrap().is_empty() && second.await.unwrap().is_empty());
}

async fn what_was_written_is_there_after_a_restart(fixture: Fixture) {
    let created = fixture.volume("a").await;
    assert!(!created.metadata.uid.is_empty() && !created.metadata.creation_timestamp.is_empty());
    let mut changed = created.clone();
    changed.spec.node_id = "node-1".into();
    fixture.store.update(&changed).await.unwrap();
    let reopened = fixture.open().await;
    let read = reopened.get::<Volume>("a").await.unwrap();
    assert_eq!(read.spec.node_id, "node-1");
    assert_eq!(read.metadata.uid, created.metadata.uid);
}

async fn a_stale_write_is_refused(fixture: Fixture) {
    let first = fixture.volume("a").await;
    let mut second = first.clone();
    second.spec.node_id = "node-2".into();
    fixture.store.update(&second).await.unwrap();
    let mut stale = first;
    stale.spec.node_id = "node-1".into();
    assert!(matches!(fixture.store.update(&stale).await, Err(StoreError::Conflict { .. })));
    assert!(fixture.store.update_status(&stale).await.unwrap_err().is_conflict());
    assert_eq!(fixture.store.get::<Volume>("a").await.unwrap().spec.node_id, "node-2");
}

async fn concurrent_modifications_all_count(fixture: Fixture) {
    fixture.volume("a").await;
    let increments = (0..10).map(|_| {
        let store = fixture.store.clone();
        tokio::spawn(async move { store.modify::<Volume>("a", |volume| volume.spec.snapshot_max_count += 1).await })
    });
    for increment in futures::future::join_all(increments).await {
        increment.unwrap().unwrap();
    }
    let volume = fixture.store.get::<Volume>("a").await.unwrap();
    assert_eq!(volume.spec.snapshot_max_count, VolumeSpec::default().snapshot_max_count + 10);
}

async fn spec_and_status_are_written_apart(fixture: Fixture) {
    let mut volume = fixture.volume("a").await;
    volume.spec.node_id = "node-1".into();
    volume.status.state = VolumeState::Attached;
    let volume = fixture.store.update_status(&volume).await.unwrap();
    assert_eq!(volume.spec.node_id, "");
    assert_eq!(volume.status.state, VolumeState::Attached);
    let mut volume = volume;
    volume.spec.node_id = "node-1".into();
    volume.status.state = VolumeState::Detached;
    let volume = fixture.store.update(&volume).await.unwrap();
    assert_eq!(volume.status.state, VolumeState::Attached);
}

async fn an_unchanged_write_changes_no_version(fixture: Fixture) {
    let volume = fixture.volume("a").await;
    let same = fixture.store.update(&volume).await.unwrap();
    assert_eq!(same.metadata.resource_version, volume.metadata.resource_version);
    let same = fixture.store.modify_status::<Volume>("a", |_| {}).await.unwrap();
    assert_eq!(same.metadata.resource_version, volume.metadata.resource_version);
}

async fn deletion_waits_for_the_finalizer(fixture: Fixture) {
    fixture.volume("a").await;
    fixture.store.delete::<Volume>("a").await.unwrap();
    assert!(fixture.store.get::<Volume>("a").await.unwrap().is_deleting());
    fixture.store.delete::<Volume>("a").await.unwrap();
    fixture.store.remove_finalizer::<Volume>("a").await.unwrap();
    assert!(fixture.store.find::<Volume>("a").await.unwrap().is_none());
    fixture.store.remove_finalizer::<Volume>("a").await.unwrap();
    assert!(fixture.store.delete::<Volume>("a").await.unwrap_err().is_not_found());

    let setting = Object::<Setting>::new("s", crate::resources::setting::SettingSpec { value: "1".into() });
    fixture.store.create(&setting).await.unwrap();
    fixture.store.delete::<Setting>("s").await.unwrap();
    assert!(fixture.store.find::<Setting>("s").await.unwrap().is_none());
}

async fn a_second_creation_is_refused_and_a_recreated_object_is_another_one(fixture: Fixture) {
    let first = fixture.volume("a").await;
    let again = fixture.store.create(&Object::<Volume>::new("a", VolumeSpec::default())).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
    fixture.store.delete::<Volume>("a").await.unwrap();
    fixture.store.remove_finalizer::<Volume>("a").await.unwrap();
    let second = fixture.volume("a").await;
    assert_ne!(first.metadata.uid, second.metadata.uid);
    assert!(fixture.store.update(&first).await.unwrap_err().is_conflict());
}

async fn labels_find_the_objects_of_a_volume(fixture: Fixture) {
    for volume in ["a", "b"] {
        let volume = fixture.volume(volume).await;
        for number in 0..3 {
            let name = format!("{}-r-{number}", volume.name());
            let replica = Object::<Replica>::new(name, Default::default()).owned_by_volume(&volume);
            fixture.store.create(&replica).await.unwrap();
        }
    }
    let found = fixture.store.list_labelled::<Replica>(LABEL_VOLUME, "b").await.unwrap();
    assert_eq!(found.iter().map(Object::name).collect::<Vec<_>>(), ["b-r-0", "b-r-1", "b-r-2"]);
    fixture.store.modify::<Replica>("b-r-1", |replica| replica.metadata.labels.clear()).await.unwrap();
    assert_eq!(fixture.store.list_labelled::<Replica>(LABEL_VOLUME, "b").await.unwrap().len(), 2);
}

async fn annotations_are_kept(fixture: Fixture) {
    fixture.volume("a").await;
    let note = ("example.org/note".to_owned(), "moved on Friday".to_owned());
    let change = |volume: &mut Object<Volume>| volume.metadata.annotations.extend([note.clone()]);
    fixture.store.modify::<Volume>("a", change).await.unwrap();
    assert_eq!(fixture.store.get::<Volume>("a").await.unwrap().metadata.annotations, [note].into());
}

async fn a_watch_tells_what_is_there_and_then_every_change(fixture: Fixture) {
    fixture.volume("old").await;
    let mut watch = fixture.store.watch::<Volume>();
    assert!(matches!(watch.next().await, Some(WatchEvent::Applied(volume)) if volume.name() == "old"));
    fixture.volume("new").await;
    assert!(matches!(watch.next().await, Some(WatchEvent::Applied(volume)) if volume.name() == "new"));
    fixture.store.delete::<Volume>("old").await.unwrap();
    assert!(matches!(watch.next().await, Some(WatchEvent::Applied(volume)) if volume.is_deleting()));
    fixture.store.remove_finalizer::<Volume>("old").await.unwrap();
    assert!(matches!(watch.next().await, Some(WatchEvent::Deleted(volume)) if volume.name() == "old"));
}

async fn a_watch_that_fell_behind_gets_the_present(fixture: Fixture) {
    let fixture = Fixture { store: fixture.place.open(2).await, ..fixture };
    fixture.volume("goes").await;
    fixture.volume("stays").await;
    let mut watch = fixture.store.watch::<Volume>();
    watch.next().await.unwrap();
    watch.next().await.unwrap();
    // The watcher sleeps through more changes than are kept for it: the deletion is among those lost.
    fixture.store.delete::<Volume>("goes").await.unwrap();
    fixture.store.remove_finalizer::<Volume>("goes").await.unwrap();
    for node in 0..10 {
        let node = format!("node-{node}");
        fixture.store.modify::<Volume>("stays", |volume| volume.spec.node_id.clone_from(&node)).await.unwrap();
    }
    let (mut seen_gone, mut seen_changed) = (false, false);
    while !(seen_gone && seen_changed) {
        match watch.next().await.unwrap() {
            WatchEvent::Deleted(volume) => seen_gone |= volume.name() == "goes",
            WatchEvent::Applied(volume) => seen_changed |= volume.spec.node_id == "node-9",
        }
    }
}

/// Somebody works on the file with a tool of their own: what this process has seen of it is old, and is read again.
async fn a_change_follows_what_another_process_wrote(fixture: Fixture) {
    fixture.volume("a").await;
    let other = fixture.open().await;
    assert_eq!(other.get::<Volume>("a").await.unwrap().spec.node_id, "");
    let write = |volume: &mut Object<Volume>| volume.spec.node_id = "node-1".into();
    fixture.store.modify::<Volume>("a", write).await.unwrap();
    let own = |volume: &mut Object<Volume>| volume.spec.number_of_replicas += 1;
    let changed = other.modify::<Volume>("a", own).await.unwrap();
    assert_eq!(changed.spec.node_id, "node-1", "the other's change was lost");
    let state = |status: &mut crate::resources::volume::VolumeStatus| status.state = VolumeState::Attached;
    let told = fixture.store.modify_status::<Volume>("a", state).await.unwrap();
    assert_eq!(told.spec.number_of_replicas, changed.spec.number_of_replicas);
}

// === what only a file can show ===

/// Other tables in the same file (events, sessions) are written by connections of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_waits_for_those_of_other_tables() {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap();
    let (pool, store) = (sqlite.pool(), Store::new(Arc::new(sqlite)));
    store.create(&Object::<Volume>::new("a", VolumeSpec::default())).await.unwrap();
    let others = tokio::spawn(async move {
        for number in 0..300_i64 {
            let hash = number.to_le_bytes().to_vec();
            let insert = sqlx::query("INSERT INTO events VALUES (?, '', '', '', '', '', '', 1, 1, 1)");
            insert.bind(format!("{number}{hash:?}")).execute(&pool).await.unwrap();
        }
    });
    let mut number = 0;
    while !others.is_finished() {
        number += 1;
        store.modify::<Volume>("a", |volume| volume.spec.node_id = format!("node-{number}")).await.unwrap();
    }
    others.await.unwrap();
}

/// A node may have dozens of labels and tells its status every few seconds.
#[tokio::test]
async fn a_status_leaves_the_rows_of_labels_alone() {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap();
    let (pool, store) = (sqlite.pool(), Store::new(Arc::new(sqlite)));
    let mut volume = Object::<Volume>::new("a", VolumeSpec::default());
    volume.metadata.labels.insert(LABEL_VOLUME.into(), "a".into());
    let created = store.create(&volume).await.unwrap();
    for change in ["INSERT", "DELETE"] {
        let statement = format!(
            "CREATE TRIGGER no_{change} BEFORE {change} ON labels BEGIN SELECT RAISE(ABORT, 'labels are written'); END"
        );
        sqlx::query(&statement).execute(&pool).await.unwrap();
    }
    store.modify_status::<Volume>("a", |status| status.state = VolumeState::Attached).await.unwrap();
    store.modify::<Volume>("a", |volume| volume.spec.node_id = "node-1".into()).await.unwrap();
    let relabel = |volume: &mut Object<Volume>| volume.metadata.labels.clear();
    assert!(store.modify::<Volume>("a", relabel).await.is_err(), "the trigger works");
    let found = store.list_labelled::<Volume>(LABEL_VOLUME, "a").await.unwrap();
    assert_eq!(found.len(), 1, "{created:?}");
}
