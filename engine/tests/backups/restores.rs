//! Restores and backups that go on, heal, or refuse.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aurochs_engine::backup::block::Checksum;
use aurochs_engine::backup::create::create_with;
use aurochs_engine::backup::delete::delete_volume_with;
use aurochs_engine::backup::restore::restore_with;
use aurochs_engine::backup::{
    self, BackupError, BackupRecord, CreateRequest, Credentials, Held, LockTimes, Mode, Progress, RestoreRequest,
    Settings, Store, Target, layout,
};
use nix::sys::stat::Mode as Permissions;
use nix::unistd::mkfifo;

use time::format_description::well_known::Rfc3339;

use crate::QUICK;
use crate::archive::Place;
use crate::volume::{MIB, Memory, Snapshot, content, holding, noise, request, restoring};

/// A target with one backup of `content`.
async fn backed_up(content: &[u8]) -> Place {
    let place = Place::empty().await;
    add(&place, "b1", "s1", &Snapshot::of(content.to_vec())).await;
    place
}

async fn add(place: &Place, backup: &str, snapshot: &str, source: &Snapshot) {
    let request = request("vol", backup, snapshot, source.content.len() as u64);
    create_with(&place.store, &request, source, &Progress::default(), QUICK).await.unwrap();
}

#[tokio::test]
async fn a_restore_that_dies_at_any_write_goes_on_and_fetches_nothing_twice() {
    let blocks = 24;
    let seeds: Vec<_> = (0..blocks).map(|block| (block, block + 1)).collect();
    let content = content(blocks, &seeds);
    let place = backed_up(&content).await;
    for kill in 0..=blocks {
        let sink = Memory::empty(blocks * MIB);
        sink.writes_left.store(kill, Ordering::SeqCst);
        let request = RestoreRequest { concurrency: 4, ..restoring("vol", "b1") };
        let died = restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await;
        assert_eq!(died.is_err(), kill < blocks, "{kill}");
        sink.writes_left.store(u64::MAX, Ordering::SeqCst);
        let again = restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await.unwrap();
        assert!(*sink.content.lock().unwrap() == content, "killed at {kill}");
        assert_eq!((again.kept_bytes, again.fetched_bytes), (kill * MIB, (blocks - kill) * MIB));
    }
}

#[tokio::test]
async fn zeros_take_no_storage_and_an_empty_volume_is_not_read() {
    let mut data = content(8, &[]);
    data[3 * MIB as usize..][..5].copy_from_slice(b"hello");
    let place = Place::empty().await;
    // All of it is allocated, as by a program that wrote zeros.
    add(&place, "b1", "s1", &Snapshot::new(data.clone(), &[(0, 8 * MIB)])).await;
    for (sink_is_empty, read) in [(true, 0), (false, 8 * MIB)] {
        let sink = Memory::empty(8 * MIB);
        let request = RestoreRequest { sink_is_empty, ..restoring("vol", "b1") };
        restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await.unwrap();
        assert_eq!(sink.read.load(Ordering::Relaxed), read);
        assert_eq!(sink.written.load(Ordering::Relaxed), 64 << 10);
        assert_eq!(sink.flushed.load(Ordering::Relaxed), 1);
        assert!(*sink.content.lock().unwrap() == data);
    }
}

/// What the difference no longer covers becomes zeros (Longhorn reserves such blocks), whatever was there.
#[tokio::test]
async fn what_no_block_covers_any_more_becomes_zeros() {
    let first = content(6, &[(0, 1), (1, 2), (2, 3), (5, 4)]);
    let second = content(6, &[(0, 1), (2, 9), (3, 5)]);
    let place = backed_up(&first).await;
    add(&place, "b2", "s2", &Snapshot::of(second.clone())).await;
    let sink = Memory::of(first.clone());
    let previous = holding(&place.store, "vol", "b1", 6 * MIB).await;
    let request = RestoreRequest { previous, ..restoring("vol", "b2") };
    let restored = restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await.unwrap();
    assert!(*sink.content.lock().unwrap() == second);
    assert_eq!((restored.fetched_bytes, restored.zeroed_bytes), (2 * MIB, 2 * MIB));
    let mut zeroed = sink.zeroed.lock().unwrap().clone();
    zeroed.sort_unstable();
    assert_eq!(zeroed, [(MIB, MIB), (5 * MIB, MIB)]);
    // Only the difference was looked at.
    assert_eq!(sink.read.load(Ordering::Relaxed), 4 * MIB);
}

#[tokio::test]
async fn where_the_backup_restored_before_is_gone_everything_is_compared() {
    let old = content(6, &[(0, 1), (1, 2), (4, 7)]);
    let new = content(6, &[(0, 1), (2, 3)]);
    let place = backed_up(&new).await;
    let sink = Memory::of(old);
    let previous = Some(Held { backup: "gone".to_owned(), size: 6 * MIB, ..Held::default() });
    let request = RestoreRequest { previous, sink_is_empty: true, ..restoring("vol", "b1") };
    let restored = restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await.unwrap();
    assert!(*sink.content.lock().unwrap() == new);
    assert_eq!((restored.is_incremental, restored.kept_bytes, restored.fetched_bytes), (false, MIB, MIB));
}

/// The backup was deleted, and made again of other data under its name; so was the whole volume. What the sink holds is
/// the first one, and the difference to the second one says nothing of that.
#[tokio::test]
async fn a_backup_of_the_same_name_is_not_the_one_restored_before() {
    let held = content(6, &[(0, 1), (1, 2), (4, 7)]);
    let again = content(6, &[(0, 1), (1, 3), (5, 8)]);
    let newest = content(6, &[(0, 9), (1, 3), (5, 8)]);
    let place = backed_up(&held).await;
    let before = holding(&place.store, "vol", "b1", 6 * MIB).await.unwrap();
    delete_volume_with(&place.store, "vol", QUICK).await.unwrap();
    add(&place, "b1", "s1", &Snapshot::of(again.clone())).await;
    complete_at(&place, "b1", "2042-01-01T00:00:00Z");
    let source = Snapshot::of(newest.clone()).since("s1", &[(0, MIB)]);
    add(&place, "b2", "s2", &source).await;
    for created in [before.created.as_str(), ""] {
        for (backup, expected) in [("b1", &again), ("b2", &newest)] {
            let sink = Memory::of(held.clone());
            let previous = Some(Held { created: created.to_owned(), ..before.clone() });
            let request = RestoreRequest { previous, ..restoring("vol", backup) };
            let restored = restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await.unwrap();
            assert!(!restored.is_incremental, "{backup} over {created:?}");
            assert!(*sink.content.lock().unwrap() == *expected, "{backup} over {created:?}");
        }
    }
    let one_that_is_meant = RestoreRequest { created: before.created, ..restoring("vol", "b1") };
    let sink = Memory::empty(6 * MIB);
    let refused = restore_with(&place.store, &one_that_is_meant, &sink, &Progress::default(), QUICK).await;
    assert!(matches!(refused, Err(BackupError::Replaced { .. })), "{refused:?}");
    assert_eq!(sink.written.load(Ordering::Relaxed), 0);
}

/// The record of a backup tells that it was complete then.
fn complete_at(place: &Place, backup: &str, time: &str) {
    let path = place.path(&layout::backup_record("vol", backup));
    let mut record = BackupRecord::decode("", &std::fs::read(&path).unwrap()).unwrap();
    time.clone_into(&mut record.created_time);
    std::fs::write(&path, record.encode().unwrap()).unwrap();
}

/// A volume that was deleted and made again may be smaller. What lies behind its end in the sink is the old one's.
#[tokio::test]
async fn nothing_is_left_behind_the_end_of_a_volume_that_became_smaller() {
    let place = backed_up(&content(4, &[(0, 1), (3, 2)])).await;
    let sink = Memory::of(content(8, &[(0, 5), (4, 6), (7, 7)]));
    let previous = Some(Held { backup: "gone".to_owned(), size: 8 * MIB, ..Held::default() });
    let request = RestoreRequest { previous, ..restoring("vol", "b1") };
    let restored = restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await.unwrap();
    assert_eq!((restored.size, restored.zeroed_bytes), (4 * MIB, 2 * MIB));
    assert!(*sink.content.lock().unwrap() == content(8, &[(0, 1), (3, 2)]));
}

#[tokio::test]
async fn backups_with_blocks_of_two_sizes_are_never_mixed() {
    let first = content(8, &[(0, 1), (1, 2), (6, 3)]);
    let second = content(8, &[(0, 1), (2, 4)]);
    let place = backed_up(&first).await;
    let source = Snapshot::of(second.clone()).since("s1", &[(MIB, MIB), (2 * MIB, MIB), (6 * MIB, MIB)]);
    let wide = CreateRequest { block_size: 2 * MIB, ..request("vol", "b2", "s2", 8 * MIB) };
    let created = create_with(&place.store, &wide, &source, &Progress::default(), QUICK).await.unwrap();
    assert!(!created.is_incremental);
    let sink = Memory::of(first);
    let previous = holding(&place.store, "vol", "b1", 8 * MIB).await;
    let next = RestoreRequest { previous, ..restoring("vol", "b2") };
    let restored = restore_with(&place.store, &next, &sink, &Progress::default(), QUICK).await.unwrap();
    assert!(!restored.is_incremental);
    assert!(*sink.content.lock().unwrap() == second);
}

fn block_of(place: &Place, seed: u64) -> std::path::PathBuf {
    place.path(&layout::block("vol", &Checksum::of(&noise(MIB, seed))))
}

#[tokio::test]
async fn damaged_and_missing_blocks_are_found_and_never_written() {
    let data = content(4, &[(0, 1), (1, 2), (2, 3), (3, 4)]);
    let place = backed_up(&data).await;
    let damaged = block_of(&place, 2);
    let mut file = std::fs::read(&damaged).unwrap();
    let middle = file.len() / 2;
    file[middle] ^= 0x10;
    std::fs::write(&damaged, &file).unwrap();
    std::fs::write(block_of(&place, 4), b"").unwrap();
    std::fs::remove_file(block_of(&place, 3)).unwrap();
    let found = backup::verify(&place.store, "vol", "b1", None, 0, &Progress::default()).await.unwrap();
    let offsets: Vec<_> = found.failures.iter().map(|failure| failure.offset).collect();
    assert_eq!((found.checked, offsets), (4, vec![MIB, 2 * MIB, 3 * MIB]));
    assert!(matches!(found.failures[0].error, BackupError::BlockDamaged { .. }));
    assert!(matches!(found.failures[1].error, BackupError::BlockMissing { .. }));
    let sample = backup::verify(&place.store, "vol", "b1", Some(2), 0, &Progress::default()).await.unwrap();
    assert_eq!((sample.blocks, sample.checked), (4, 2));
    let sink = Memory::empty(4 * MIB);
    let request = RestoreRequest { concurrency: 1, ..restoring("vol", "b1") };
    let refused = restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await;
    assert!(matches!(refused, Err(BackupError::BlockDamaged { .. })), "{refused:?}");
    let written = sink.content.lock().unwrap().clone();
    assert!(written[..MIB as usize] == data[..MIB as usize] && written[MIB as usize..].iter().all(|byte| *byte == 0));
    // The next one in full mode heals them all.
    let full = CreateRequest { mode: Mode::Full, ..crate::volume::request("vol", "b2", "s2", 4 * MIB) };
    let healing = create_with(&place.store, &full, &Snapshot::of(data.clone()), &Progress::default(), QUICK).await;
    assert_eq!(healing.unwrap().new_blocks, 1);
    let found = backup::verify(&place.store, "vol", "b1", None, 0, &Progress::default()).await.unwrap();
    assert!(found.failures.is_empty());
}

/// Also without full mode, where the size of a file tells that it cannot be whole.
#[tokio::test]
async fn an_empty_block_is_stored_again() {
    let data = content(2, &[(0, 1)]);
    let place = backed_up(&data).await;
    std::fs::write(block_of(&place, 1), b"").unwrap();
    add(&place, "b2", "s2", &Snapshot::of(data)).await;
    let found = backup::verify(&place.store, "vol", "b1", None, 0, &Progress::default()).await.unwrap();
    assert!(found.failures.is_empty());
}

#[tokio::test]
async fn a_backup_that_dies_goes_on_without_storing_again() {
    let seeds: Vec<_> = (0..20).map(|block| (block, block + 1)).collect();
    let data = content(20, &seeds);
    let place = Place::empty().await;
    let mut source = Snapshot::of(data.clone());
    source.broken_from = 13 * MIB;
    let request = CreateRequest { concurrency: 1, ..request("vol", "b1", "s1", 20 * MIB) };
    let died = create_with(&place.store, &request, &source, &Progress::default(), QUICK).await;
    assert!(matches!(&died, Err(BackupError::Source(_))), "{died:?}");
    let record = BackupRecord::find(&place.store, "vol", "b1").await.unwrap().unwrap();
    assert!(record.is_in_progress());
    assert_eq!(place.blocks("vol").len(), 13);
    source.broken_from = u64::MAX;
    let progress = Progress::default();
    let created = create_with(&place.store, &request, &source, &progress, QUICK).await.unwrap();
    assert_eq!((created.new_blocks, created.read_bytes), (7, 20 * MIB));
    assert_eq!((progress.now().planned, progress.now().done), (20 * MIB, 20 * MIB));
    // Once more is nothing more: whoever asked may not have heard the answer.
    let before = place.files();
    create_with(&place.store, &request, &source, &Progress::default(), QUICK).await.unwrap();
    assert!(place.files() == before);
    // A snapshot of that name that was taken after the backup is another one.
    let begun = time::OffsetDateTime::parse(&created.snapshot_created_at, &Rfc3339).unwrap();
    source.taken_at = Some(begun + time::Duration::milliseconds(900));
    create_with(&place.store, &request, &source, &Progress::default(), QUICK).await.unwrap();
    source.taken_at = Some(begun + time::Duration::seconds(1));
    let refused = create_with(&place.store, &request, &source, &Progress::default(), QUICK).await;
    assert!(matches!(refused, Err(BackupError::ExistsOfEarlier { .. })), "{refused:?}");
    let other = CreateRequest { snapshot: "s2".to_owned(), ..request };
    let refused = create_with(&place.store, &other, &source, &Progress::default(), QUICK).await;
    assert!(matches!(refused, Err(BackupError::Exists { .. })), "{refused:?}");
}

/// Files that nobody gets an answer about, as those of a server that fell silent: pipes that nobody writes to.
struct Silent(Vec<PathBuf>);

impl Silent {
    fn new(files: impl Iterator<Item = PathBuf>) -> Self {
        let files: Vec<_> = files.collect();
        for file in &files {
            fs::rename(file, file.with_extension("aside")).unwrap();
            mkfifo(file, Permissions::S_IRWXU).unwrap();
        }
        Self(files)
    }

    /// The files are back, and whoever waits for one hears that what it wanted is no file.
    fn end(self) {
        for file in &self.0 {
            let _ = File::options().write(true).custom_flags(nix::libc::O_NONBLOCK).open(file);
            fs::rename(file.with_extension("aside"), file).unwrap();
        }
    }
}

/// Each block by itself could be waited for and tried again for minutes, and there are more than may be waited for at once.
#[tokio::test]
async fn a_restore_from_a_silent_server_ends_and_the_next_one_goes_on() {
    let blocks = 30;
    let seeds: Vec<_> = (0..blocks).map(|block| (block, block + 1)).collect();
    let content = content(blocks, &seeds);
    let place = backed_up(&content).await;
    let target = Target { url: place.url().parse().unwrap(), credentials: Credentials::default() };
    let settings = Settings { patience: Duration::from_secs(2), ..Settings::default() };
    let store = Store::open_with(&target, &settings).await.unwrap();
    // A renewal would be an answer.
    let times = LockTimes { renew: Duration::from_secs(60), lifetime: Duration::from_secs(150), ..QUICK };
    let silent = Silent::new(place.blocks("vol").iter().skip(2).map(|block| place.path(block)));
    let (request, sink) = (restoring("vol", "b1"), Memory::empty(blocks * MIB));
    let begun = Instant::now();
    let broken = restore_with(&store, &request, &sink, &Progress::default(), times).await;
    let took = begun.elapsed();
    let Err(BackupError::Store(error)) = broken else { panic!("{broken:?}") };
    assert!(error.is_given_up() && error.reason().contains("target has not answered for 3 s"), "{error}");
    assert!(took < Duration::from_secs(12), "{took:?}");
    silent.end();
    let again = restore_with(&place.store, &request, &sink, &Progress::default(), times).await.unwrap();
    assert!(*sink.content.lock().unwrap() == content);
    assert_eq!(again.kept_bytes + again.fetched_bytes, blocks * MIB);
}

/// Dropped, it leaves no lock, and what it stored.
#[tokio::test]
async fn cancelling_is_dropping() {
    let seeds: Vec<_> = (0..30).map(|block| (block, block + 1)).collect();
    let place = Place::empty().await;
    let source = Snapshot::of(content(30, &seeds));
    let request = CreateRequest { concurrency: 1, ..request("vol", "b1", "s1", 30 * MIB) };
    let progress = Progress::default();
    let mut watch = progress.watch();
    tokio::select! {
        outcome = create_with(&place.store, &request, &source, &progress, QUICK) => panic!("{outcome:?}"),
        _ = watch.wait_for(|amounts| amounts.done >= 5 * MIB) => {}
    }
    backup::lock::all_released().await;
    assert!(!place.files().keys().any(|path| path.contains("/locks/")));
    assert!(place.blocks("vol").len() >= 5);
    let created = create_with(&place.store, &request, &source, &Progress::default(), QUICK).await.unwrap();
    assert!(created.new_blocks <= 25, "{created:?}");
}

#[tokio::test]
async fn sizes_that_cannot_be_are_refused_before_anything_is_written() {
    let place = Place::empty().await;
    let source = Snapshot::of(content(3, &[(0, 1)]));
    for (block_size, size) in [(0, 3), (MIB / 2, 3), (2 * MIB, 3), (128 * MIB, 128), (MIB, 0), (MIB, 2)] {
        let request = CreateRequest { block_size, ..request("vol", "b1", "s1", size * MIB) };
        let refused = create_with(&place.store, &request, &source, &Progress::default(), QUICK).await;
        assert!(matches!(refused, Err(BackupError::BlockSize { .. })), "{block_size} {size}: {refused:?}");
    }
    let labels = [("note".to_owned(), "x".repeat(300 << 10))].into();
    let request_with_labels = CreateRequest { labels, ..request("vol", "b1", "s1", 3 * MIB) };
    let refused = create_with(&place.store, &request_with_labels, &source, &Progress::default(), QUICK).await;
    assert!(matches!(refused, Err(BackupError::Labels { .. })), "{refused:?}");
    assert!(place.files().is_empty());
    let (request, sink) = (restoring("vol", "b1"), Memory::empty(MIB));
    let nowhere = restore_with(&place.store, &request, &sink, &Progress::default(), QUICK).await;
    assert!(matches!(nowhere, Err(BackupError::NoVolume { .. })), "{nowhere:?}");
    assert!(place.files().is_empty());
}
