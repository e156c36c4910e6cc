//! Samples through restarts, gaps and bounds, with a table of their own.

use std::sync::Arc;

use aurochs_engine::grpc::engine_v1::{EngineStatus, IoCounters, IoLatencies, LatencyCounts};
use proptest::prelude::*;

use super::chunk::{self, Points, Sample};
use super::io::IoSample;
use super::latency::Times;
use super::level::{LEVELS, RAW_STEP};
use super::memory::{Memory, Shelf};
use super::space::SpaceSample;
use super::*;
use crate::store::sqlite::Sqlite;

const HOUR: u64 = 3600;
/// A full hour, day and five days, long ago.
const START: u64 = 4000 * 5 * 24 * HOUR;

fn times(counts: &[(u32, u64)]) -> Times {
    Times::of(Some(&LatencyCounts {
        buckets: counts.iter().map(|(bucket, _)| *bucket).collect(),
        counts: counts.iter().map(|(_, count)| *count).collect(),
        total_nanoseconds: counts.iter().map(|(bucket, count)| u64::from(*bucket) * 1000 * count).sum(),
    }))
}

fn sample(writes: u64) -> IoSample {
    let write_times = if writes == 0 { Times::default() } else { times(&[(20, writes)]) };
    IoSample { known_deciseconds: 100, writes, written_bytes: writes * 4096, write_times, ..IoSample::default() }
}

async fn table() -> (SqlitePool, Sqlite, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap();
    (sqlite.pool(), sqlite, directory)
}

fn any_sample() -> impl Strategy<Value = IoSample> {
    let times = || prop::collection::vec((0_u32..200, 0_u64..1000), 0..5).prop_map(|counts| times(&counts));
    let numbers = prop_oneof![Just(0), 1..1000_u64, Just(u64::MAX)];
    (numbers, times(), times(), 0..101_u64).prop_map(|(writes, read_times, write_times, known_deciseconds)| {
        let is_idle = writes == 0;
        let or_none = |times: Times| if is_idle { Times::default() } else { times };
        let (read_times, write_times) = (or_none(read_times), or_none(write_times));
        IoSample { known_deciseconds, writes, read_times, write_times, ..IoSample::default() }
    })
}

proptest! {
    #[test]
    fn rows_come_back_as_they_were(points in prop::collection::btree_map(0_u64..200, any_sample(), 0..50)) {
        let bytes = chunk::encode(&points);
        prop_assert_eq!(chunk::decode::<IoSample>(&bytes).unwrap(), points);
        // Damaged ones are told, or read as something; nothing panics and nothing grows without end.
        for length in 0..bytes.len() {
            let _ = chunk::decode::<IoSample>(&bytes[..length]);
            let mut turned = bytes.clone();
            turned[length] ^= 0x55;
            let _ = chunk::decode::<IoSample>(&turned);
        }
    }

    #[test]
    fn it_does_not_matter_how_parts_are_put_together(samples in prop::collection::vec(any_sample(), 1..10), at in 0_usize..10) {
        let sum = |samples: &[IoSample]| samples.iter().fold(IoSample::default(), |mut sum, one| { sum.merge(one); sum });
        let (one, two) = samples.split_at(at.min(samples.len()));
        let mut parts = sum(one);
        parts.merge(&sum(two));
        prop_assert_eq!(parts, sum(&samples));
    }
}

#[test]
fn rest_is_one_run() {
    let points: Points<IoSample> =
        (0..60).map(|step| (step, IoSample { known_deciseconds: 600, ..IoSample::default() })).collect();
    assert!(chunk::encode(&points).len() < 8, "{:?}", chunk::encode(&points));
    let full =
        SpaceSample { maximum: 1 << 40, available: 1 << 39, available_minimum: 1 << 39, ..SpaceSample::default() };
    let points: Points<SpaceSample> = (0..60).map(|step| (step, full.clone())).collect();
    assert!(chunk::encode(&points).len() < 32);
}

#[test]
fn percentiles_are_those_of_all_requests_together() {
    // Nine minutes of quick requests and one of slow ones: the mean of ten percentiles would be something else.
    let mut sum = IoSample::default();
    for minute in 0..10 {
        let bucket = if minute == 9 { 60 } else { 20 };
        sum.merge(&IoSample {
            known_deciseconds: 600,
            writes: 100,
            write_times: times(&[(bucket, 100)]),
            ..IoSample::default()
        });
    }
    let point = sum.point(0).unwrap();
    let write = point.write.unwrap();
    let bounds =
        |bucket: usize| aurochs_api::latency::shortest_in(bucket)..=aurochs_api::latency::shortest_in(bucket + 1);
    assert!(bounds(20).contains(&write.p50) && bounds(60).contains(&write.p99), "{write:?}");
    assert!((point.writes_per_second - 1000.0 / 600.0).abs() < 1e-9);
    assert_eq!(point.read, None, "no reads, no time");
}

/// An hour of looks: busy for ten minutes, then at rest, then nobody looks for ten minutes, then busy again.
fn record_an_hour(shelf: &mut Shelf<IoSample>) {
    for look in 0..360 {
        let moment = START + look * RAW_STEP;
        let minute = look / 6;
        let sample = match minute {
            0..10 | 50..60 => sample(10),
            40..50 => continue,
            _ => sample(0),
        };
        shelf.record("v", moment, &sample, !sample.is_idle());
    }
}

#[tokio::test]
async fn what_is_written_and_what_is_not_are_one() {
    let (pool, _sqlite, _directory) = table().await;
    let mut shelf = Shelf::<IoSample>::default();
    record_an_hour(&mut shelf);
    let level = LEVELS[0];
    let from_memory: Points<IoSample> = shelf.pending("v", 0, level).into_iter().collect();
    let rows = shelf.take(START + HOUR, false);
    assert_eq!(rows.len(), LEVELS.len());
    keeper::write(&pool, rows).await.map_err(|(error, _)| error).unwrap();
    let from_table: Points<IoSample> =
        keeper::read(&pool, "v", level, START, START + HOUR).await.unwrap().into_iter().collect();
    assert_eq!(from_table, from_memory);
    assert_eq!(from_table.len(), 50, "a gap is a gap");
    assert_eq!(from_table[&START].writes, 60);
    assert_eq!(
        from_table[&(START + 20 * 60)],
        IoSample { known_deciseconds: 600, ..IoSample::default() },
        "rest is known"
    );

    // Another manager goes on in the same hour: what comes is added.
    let mut later = Shelf::<IoSample>::default();
    later.record("v", START + HOUR - RAW_STEP, &sample(5), true);
    keeper::write(&pool, later.take(START + HOUR, false)).await.map_err(|(error, _)| error).unwrap();
    for level in LEVELS {
        let found = keeper::read::<IoSample>(&pool, "v", level, START, START + HOUR).await.unwrap();
        let sum = found.iter().fold(IoSample::default(), |mut sum, (_, one)| {
            sum.merge(one);
            sum
        });
        assert_eq!((sum.writes, sum.known_deciseconds), (1200 + 5, 50 * 600 + 100), "{level:?}");
        assert_eq!(sum.write_times.point().unwrap().mean, 20_000);
    }
}

#[test]
fn rest_is_written_when_its_row_is_full() {
    let mut shelf = Shelf::<IoSample>::default();
    for look in 0..30 {
        shelf.record("idle", START + look * RAW_STEP, &sample(0), false);
        shelf.record("busy", START + look * RAW_STEP, &sample(1), true);
    }
    let names = |rows: Vec<memory::Row<IoSample>>| {
        let mut names: Vec<(String, usize)> = rows.into_iter().map(|row| (row.series, row.level)).collect();
        names.sort();
        names
    };
    let busy = [0, 1, 2].map(|level| ("busy".to_owned(), level));
    assert_eq!(names(shelf.take(START + 300, false)), busy);
    assert!(shelf.take(START + 600, false).is_empty(), "nothing new");
    assert_eq!(names(shelf.take(START + HOUR, false)), [("idle".to_owned(), 0)], "its hour is over");
    assert_eq!(names(shelf.take(START + HOUR, true)), [("idle".to_owned(), 1), ("idle".to_owned(), 2)], "the end");
}

#[test]
fn what_could_not_be_written_is_not_lost_and_memory_is_bounded() {
    let mut shelf = Shelf::<IoSample>::default();
    shelf.record("v", START, &sample(3), true);
    let rows = shelf.take(START + 10, false);
    shelf.record("v", START + 10, &sample(4), true);
    shelf.give_back(rows);
    assert_eq!(shelf.pending("v", 0, LEVELS[0])[0].1.writes, 7);
    for hour in 0..100 {
        shelf.record("v", START + hour * HOUR, &sample(1), true);
    }
    assert!(shelf.pending("v", 0, LEVELS[0]).len() <= 4, "the last hours");
    // The finest step goes back an hour.
    let now = START + 100 * HOUR;
    for look in 0..720 {
        shelf.record("v", now + look * RAW_STEP, &sample(look % 7), true);
    }
    let _ = shelf.take(now + 2 * HOUR, false);
    let recent = shelf.recent("v", 0, u64::MAX);
    assert_eq!((recent.len(), recent[0].0), (360, now + HOUR));
    let _ = shelf.take(now + 4 * HOUR, true);
    assert!(shelf.recent("v", 0, u64::MAX).is_empty());
}

#[tokio::test]
async fn the_table_has_a_bound() {
    let (pool, _sqlite, _directory) = table().await;
    let now = START + 48 * HOUR;
    let mut shelf = Shelf::<IoSample>::default();
    for volume in 0..5 {
        for hour in 0..48 {
            // Each hour otherwise, or there would be little to keep.
            (0..60).for_each(|minute| {
                shelf.record(
                    &format!("volume-{volume}"),
                    START + hour * HOUR + minute * 60,
                    &sample(minute * 7 + hour),
                    true,
                );
            });
            keeper::write(&pool, shelf.take(now, true)).await.map_err(|(error, _)| error).unwrap();
        }
    }
    keeper::forget(&pool, now, u64::MAX).await.unwrap();
    let oldest = |level: usize| {
        let pool = pool.clone();
        async move {
            let all = keeper::read::<IoSample>(&pool, "volume-3", LEVELS[level], 0, u64::MAX >> 1).await.unwrap();
            all.first().map(|(at, _)| (now - at) / HOUR)
        }
    };
    assert_eq!(oldest(0).await, Some(25), "a day, and the row that is not over");
    assert_eq!(oldest(2).await, Some(48));
    let before = keeper::size(&pool).await.unwrap();
    for part in [2, 4, 100] {
        keeper::forget(&pool, now, before / part).await.unwrap();
        let after = keeper::size(&pool).await.unwrap();
        assert!(after <= before / part, "{after} of {before}, and the bound is a {part}th");
    }
}

fn told(reads: u64, bucket: u32) -> EngineStatus {
    let counts = LatencyCounts { buckets: vec![bucket], counts: vec![reads], total_nanoseconds: reads * 1000 };
    let io = IoCounters { reads, read_bytes: reads * 512, ..IoCounters::default() };
    let io_latencies = IoLatencies { read: Some(counts), ..IoLatencies::default() };
    EngineStatus { io: Some(io), io_latencies: Some(io_latencies), ..EngineStatus::default() }
}

#[tokio::test]
async fn what_engines_tell_is_answered_and_survives_the_manager() {
    let (pool, _sqlite, _directory) = table().await;
    // Without a task: looks are made here.
    let open = || Samples(Arc::new(Shared { pool: Some(pool.clone()), ..Shared::default() }));
    let samples = open();
    samples.told("v-e-0", &told(1000, 30));
    sampler::look(&samples.0);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    samples.told("v-e-0", &told(1300, 30));
    sampler::look(&samples.0);
    let now = Samples::now();
    let asked = Asked { from: now - 600, to: now + 60, step: Some(60) };
    let reads = |answer: Answer<aurochs_api::sample::IoPoint>| -> f64 {
        answer.points.iter().map(|point| point.reads_per_second * point.seconds).sum()
    };
    let answer = samples.io("v", asked).await.unwrap();
    assert!(answer.points[0].read.is_some() && answer.points[0].write.is_none(), "{answer:?}");
    assert!((reads(answer) - 300.0).abs() < 1e-6, "what it did before nobody saw");
    samples.settle().await;
    assert!((reads(samples.io("v", asked).await.unwrap()) - 300.0).abs() < 1e-6, "not counted twice");

    let samples = open();
    assert!((reads(samples.io("v", asked).await.unwrap()) - 300.0).abs() < 1e-6);
    assert!(samples.io("other", asked).await.unwrap().points.is_empty());
    // Counters of an engine that ran on meanwhile are no jump.
    samples.told("v-e-0", &told(900_000, 30));
    sampler::look(&samples.0);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    samples.told("v-e-0", &told(900_001, 30));
    sampler::look(&samples.0);
    assert!((reads(samples.io("v", asked).await.unwrap()) - 301.0).abs() < 1e-6);
    assert!(Memory::default().since.is_none());
}

#[tokio::test]
async fn a_deleted_volume_takes_its_samples_along() {
    use crate::resources::volume::VolumeSpec;
    use crate::resources::{Object, Volume};

    let (pool, sqlite, _directory) = table().await;
    let store = Store::new(Arc::new(sqlite.clone()));
    for name in ["stays", "goes", "missed"] {
        store.create(&Object::<Volume>::new(name, VolumeSpec::default())).await.unwrap();
    }
    let shared = Shared { pool: Some(pool.clone()), ..Shared::default() };
    for name in ["stays", "goes", "missed"] {
        shared.memory().io.record(name, START, &sample(3), true);
    }
    let rows = shared.memory().io.take(START + 10, true);
    keeper::write(&pool, rows).await.map_err(|(error, _)| error).unwrap();
    for name in ["stays", "goes", "missed"] {
        shared.memory().io.record(name, START + 10, &sample(4), true);
    }
    shared.memory().space.record("goes", START, &SpaceSample::default(), true);
    let names = async || {
        let mut written = keeper::series(&pool, IoSample::KIND).await.unwrap();
        let mut seen: Vec<String> = shared.memory().io.names().cloned().collect();
        written.sort();
        seen.sort();
        assert_eq!(written, seen);
        written
    };
    assert_eq!(names().await, ["goes", "missed", "stays"]);
    let mut changes = store.changes();
    let delete = async |name: &str| {
        store.delete::<Volume>(name).await.unwrap();
        store.remove_finalizer::<Volume>(name).await.unwrap();
    };
    delete("goes").await;
    let told = gone::next(&mut changes).await;
    assert_eq!(told, gone::Gone::Volume("goes".to_owned()));
    gone::forget(&shared, &store, &told).await;
    assert_eq!(names().await, ["missed", "stays"]);
    assert_eq!(shared.memory().space.names().count(), 1, "a disk of that name is another thing");
    // Nobody listened.
    delete("missed").await;
    gone::sweep(&shared, &store).await;
    assert_eq!(names().await, ["stays"]);
    assert!(keeper::size(&pool).await.unwrap() > 0);
}
