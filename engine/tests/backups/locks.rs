//! Locks between two who use one target at once. Each opens it for itself, as two clusters do.

use std::fs::{self, File};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aurochs_engine::backup::create::create_with;
use aurochs_engine::backup::delete::{delete_backup_with, delete_volume_with};
use aurochs_engine::backup::restore::restore_with;
use aurochs_engine::backup::source::Ranges;
use aurochs_engine::backup::{BackupError, Base, BlockSource, LockTimes, Progress, SourceError, layout};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::QUICK;
use crate::archive::{self, Place};
use crate::volume::{MIB, Memory, Snapshot, content, request, restoring};

/// A snapshot that is read when somebody lets it.
struct Held {
    snapshot: Snapshot,
    /// A permit for each read that may go on.
    gate: Arc<Semaphore>,
    /// A permit for each read that began.
    begun: Arc<Semaphore>,
}

impl Held {
    fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, gate: Arc::new(Semaphore::new(0)), begun: Arc::new(Semaphore::new(0)) }
    }
}

impl BlockSource for Held {
    fn size(&self) -> u64 {
        self.snapshot.size()
    }

    fn ranges<'call>(
        &'call self,
        base: Option<&'call Base>,
        from: u64,
    ) -> BoxFuture<'call, Result<Option<Ranges>, SourceError>> {
        self.snapshot.ranges(base, from)
    }

    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, SourceError>> {
        async move {
            self.begun.add_permits(1);
            self.gate.acquire().await?.forget();
            self.snapshot.read(offset, length).await
        }
        .boxed()
    }
}

async fn with_backup() -> Place {
    let place = Place::empty().await;
    let source = Snapshot::of(content(4, &[(0, 1), (1, 2)]));
    let request = request("vol", "b1", "s1", 4 * MIB);
    create_with(&place.store, &request, &source, &Progress::default(), QUICK).await.unwrap();
    place
}

fn locks(place: &Place) -> Vec<String> {
    place.files().into_keys().filter(|path| path.contains("/locks/")).collect()
}

#[tokio::test]
async fn nothing_is_deleted_while_a_backup_runs_and_other_backups_and_restores_go_on() {
    let place = with_backup().await;
    let held = Arc::new(Held::new(Snapshot::of(content(4, &[(2, 3)]))));
    let (source, store) = (Arc::clone(&held), place.store.clone());
    let running = tokio::spawn(async move {
        let request = request("vol", "b2", "s2", 4 * MIB);
        create_with(&store, &request, &*source, &Progress::default(), QUICK).await
    });
    held.begun.acquire().await.unwrap().forget();
    let other_cluster = archive::open(&place.dir).await;
    for outcome in [
        delete_backup_with(&other_cluster, "vol", "b1", QUICK).await.map(drop),
        delete_volume_with(&other_cluster, "vol", QUICK).await,
    ] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, BackupError::Locked { .. }) && error.is_transient(), "{error}");
        assert!(error.to_string().contains("a backup or restore"), "{error}");
    }
    let sink = Memory::empty(4 * MIB);
    restore_with(&other_cluster, &restoring("vol", "b1"), &sink, &Progress::default(), QUICK).await.unwrap();
    let third = request("vol", "b3", "s3", 4 * MIB);
    let source = Snapshot::of(content(4, &[(3, 4)]));
    create_with(&other_cluster, &third, &source, &Progress::default(), QUICK).await.unwrap();
    assert_eq!(locks(&place).len(), 1, "those that were refused left theirs");
    held.gate.add_permits(100);
    running.await.unwrap().unwrap();
    assert_eq!(locks(&place), [""; 0]);
    delete_backup_with(&other_cluster, "vol", "b1", QUICK).await.unwrap();
    for (backup, seeds) in [("b2", [(2, 3)]), ("b3", [(3, 4)])] {
        let sink = Memory::empty(4 * MIB);
        restore_with(&place.store, &restoring("vol", backup), &sink, &Progress::default(), QUICK).await.unwrap();
        assert!(*sink.content.lock().unwrap() == content(4, &seeds), "{backup}");
    }
}

/// A lock as Longhorn writes it.
fn foreign(place: &Place, name: &str, kind: u8, acquired: bool, age: Duration) -> std::path::PathBuf {
    let path = place.path(&layout::lock("vol", name));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("{{\"Name\":\"{name}\",\"Type\":{kind},\"Acquired\":{acquired}}}")).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    path
}

#[tokio::test]
async fn locks_of_others_count_as_long_as_they_live() {
    let young = QUICK.lifetime / 3;
    let old = QUICK.lifetime * 2;
    for (kind, acquired, age, backup_may, deletion_may) in [
        (1, true, young, true, false),
        (2, true, young, false, true),
        (0, true, young, false, false),
        (1, false, young, true, false),
        (2, false, young, false, true),
        (1, true, old, true, true),
        (2, true, old, true, true),
        (9, true, old, true, true),
    ] {
        let place = with_backup().await;
        let lock = foreign(&place, "lock-0123456789abcdef", kind, acquired, age);
        let source = Snapshot::of(content(4, &[(2, 3)]));
        let request = request("vol", "b2", "s2", 4 * MIB);
        let what = format!("type {kind}, acquired {acquired}, {age:?} old");
        let made = create_with(&place.store, &request, &source, &Progress::default(), QUICK).await;
        assert_eq!(made.is_ok(), backup_may, "{what}: {made:?}");
        let deleted = delete_backup_with(&place.store, "vol", "b1", QUICK).await;
        assert_eq!(deleted.is_ok(), deletion_may, "{what}: {deleted:?}");
        assert!(lock.exists(), "{what}: it is not ours to remove");
        assert_eq!(locks(&place).len(), 1);
    }
}

/// One that came later and is not had yet goes after ours.
#[tokio::test]
async fn of_two_that_come_at_once_the_older_one_wins() {
    let place = with_backup().await;
    foreign(&place, "lock-ffffffffffffffff", 1, false, Duration::ZERO);
    let lock = place.path(&layout::lock("vol", "lock-ffffffffffffffff"));
    let later = SystemTime::now() + Duration::from_secs(5);
    File::options().write(true).open(lock).unwrap().set_modified(later).unwrap();
    delete_backup_with(&place.store, "vol", "b1", QUICK).await.unwrap();
}

#[tokio::test]
async fn a_lock_that_cannot_be_read_may_be_any() {
    let place = with_backup().await;
    let path = foreign(&place, "lock-0123456789abcdef", 2, true, Duration::ZERO);
    // Cut off, or larger than any lock.
    for content in [b"{\"Na".to_vec(), vec![b' '; 1 << 20]] {
        fs::write(&path, content).unwrap();
        let refused = delete_backup_with(&place.store, "vol", "b1", QUICK).await;
        assert!(matches!(refused, Err(BackupError::Locked { .. })), "{refused:?}");
    }
}

/// What a killed Longhorn left: its lock is a day old, and in the way of nobody.
#[tokio::test]
async fn the_lock_of_a_dead_longhorn_is_in_the_way_of_nobody() {
    let (place, _) = Place::golden("b10-interrupted").await;
    assert_eq!(locks(&place).len(), 1);
    for lock in locks(&place) {
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(place.path(&lock)).unwrap().set_modified(long_ago).unwrap();
    }
    delete_backup_with(&place.store, "vol-int", "interrupted", QUICK).await.unwrap();
}

/// Whoever cannot renew a lock stops: others take it for dead, and may delete what it relies on.
#[tokio::test]
async fn work_ends_when_its_lock_is_lost() {
    let place = with_backup().await;
    let held = Held::new(Snapshot::of(content(4, &[(2, 3)])));
    let times = LockTimes {
        wait: Duration::from_millis(1),
        renew: Duration::from_millis(12),
        lifetime: Duration::from_millis(300),
    };
    let request = request("vol", "b2", "s2", 4 * MIB);
    let progress = Progress::default();
    let backup = create_with(&place.store, &request, &held, &progress, times);
    let breaking = async {
        held.begun.acquire().await.unwrap().forget();
        let folder = place.path(&layout::locks("vol"));
        // The lock is renewed all the while, which makes its folder anew.
        for moment in 0.. {
            fs::rename(&folder, place.path(&format!("lost-{moment}"))).unwrap();
            if fs::write(&folder, b"no directory").is_ok() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = backup => outcome,
        () = breaking => unreachable!(),
    };
    assert!(matches!(&outcome, Err(BackupError::LockLost { .. })), "{outcome:?}");
}

/// Getting a lock takes seconds, and one that is refused takes no less: what there is to do is told before.
#[tokio::test]
async fn what_there_is_to_do_is_told_before_the_lock_is_had() {
    let place = with_backup().await;
    foreign(&place, "lock-0123456789abcdef", 2, true, Duration::ZERO);
    let source = Snapshot::of(content(4, &[(2, 3), (3, 4)]));
    let progress = Progress::default();
    let request = request("vol", "b2", "s2", 4 * MIB);
    create_with(&place.store, &request, &source, &progress, QUICK).await.unwrap_err();
    assert_eq!(progress.now().planned, 2 * MIB);
    let (progress, sink) = (Progress::default(), Memory::empty(4 * MIB));
    restore_with(&place.store, &restoring("vol", "b1"), &sink, &progress, QUICK).await.unwrap_err();
    assert_eq!(progress.now().planned, 2 * MIB);
}
