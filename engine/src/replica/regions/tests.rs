//! The log on real files: alone, and in a model of members that lose what they have not flushed.

mod model;

use std::path::Path;

use super::format::PAGE;
use super::*;
use crate::disk::fault;
use crate::replica::names;
use crate::replica::tests::{BLOCK, Scratch, put, take};

const REGION: u64 = 1 << 20;
const HEAD: &str = "volume-head-001.img";

/// A directory with nothing but a `volume.meta`, whose content is of no interest here.
struct Place {
    _root: tempfile::TempDir,
    directory: Directory,
}

impl Place {
    fn new() -> Self {
        let root = Scratch::root();
        let directory = Directory::take(root.path()).unwrap();
        directory.replace(names::VOLUME_META, b"{}", 0o644).unwrap();
        Self { _root: root, directory }
    }

    /// As an open does it: judged first, bound to the new `volume.meta` afterwards.
    fn open(&self, regions: u64) -> Regions {
        let mut log = Regions::load(&self.directory, regions * REGION, HEAD);
        self.directory.replace(names::VOLUME_META, b"{}", 0o644).unwrap();
        log.follow(&self.directory, regions * REGION, HEAD);
        log
    }

    /// A log in which everything is clean.
    fn clean(&self, regions: u64) -> Regions {
        let log = self.open(regions);
        log.end_round(&self.directory, log.begin_round()).unwrap();
        assert_eq!(dirty(&log), Some(Vec::new()));
        log
    }

    /// What an open would find now.
    fn on_disk(&self, regions: u64) -> Option<Vec<u64>> {
        dirty(&Regions::load(&self.directory, regions * REGION, HEAD))
    }
}

fn dirty(log: &Regions) -> Option<Vec<u64>> {
    log.dirty().map(|regions| regions_of(&regions))
}

fn regions_of(regions: &DirtyRegions) -> Vec<u64> {
    let ranges = regions.ranges().unwrap();
    ranges.into_iter().flat_map(|range| range.start / REGION..range.end / REGION).collect()
}

fn mark(log: &Regions, region: u64) {
    log.mark(region * REGION + 4096, 4096).unwrap();
}

#[test]
fn what_is_marked_is_on_the_disk_and_comes_back() {
    let place = Place::new();
    assert_eq!(place.on_disk(100), None, "no log yet");
    let log = place.clean(100);
    assert!(!log.are_marked(5 * REGION, 4096));
    mark(&log, 5);
    assert!(log.are_marked(5 * REGION, REGION) && !log.are_marked(5 * REGION, REGION + 1));
    log.mark(70 * REGION - 1, 2).unwrap();
    assert_eq!(place.on_disk(100).unwrap(), [5, 69, 70]);
    drop(log);
    let log = place.open(100);
    assert_eq!(dirty(&log).unwrap(), [5, 69, 70]);
    assert_eq!(place.on_disk(100).unwrap(), [5, 69, 70]);
    assert!(!log.are_marked(5 * REGION, 1), "marked again by the first write, without the disk");
    let _nothing_can_be_written = fault::fail("write", names::REGIONS_FILE, nix::libc::EIO);
    mark(&log, 5);
    assert!(log.mark_at_once(69 * REGION, 2 * REGION) && !log.mark_at_once(6 * REGION, 1));
    assert!(log.mark(6 * REGION, 1).is_err() && !log.are_marked(6 * REGION, 1));
}

#[test]
fn a_round_clears_what_was_not_marked_since_it_began() {
    let place = Place::new();
    let log = place.clean(100);
    [1, 3, 5].into_iter().for_each(|region| mark(&log, region));
    let first = log.begin_round();
    mark(&log, 3);
    mark(&log, 50);
    let second = log.begin_round();
    let over = log.end_round(&place.directory, first);
    assert!(matches!(over, Err(ReplicaError::RegionRoundOver { .. })));
    assert_eq!(place.on_disk(100).unwrap(), [1, 3, 5, 50], "another has begun");
    mark(&log, 50);
    log.end_round(&place.directory, second).unwrap();
    assert_eq!((dirty(&log).unwrap(), place.on_disk(100).unwrap()), (vec![50], vec![50]));
    assert!(!log.are_marked(3 * REGION, 1));
    mark(&log, 3);
    assert_eq!(place.on_disk(100).unwrap(), [3, 50]);
}

#[test]
fn a_log_of_somebody_elses_directory_is_not_trusted() {
    let place = Place::new();
    drop(place.clean(100));
    assert_eq!(place.on_disk(101), None, "a volume of another size");
    assert_eq!(place.on_disk(100), Some(Vec::new()));
    // As Longhorn does when it opens a directory, and a version of ours that knows no log.
    place.directory.replace(names::VOLUME_META, b"{}", 0o644).unwrap();
    assert_eq!(place.on_disk(100), None);
    let log = place.open(100);
    assert_eq!(dirty(&log), None);
    mark(&log, 7);
    drop(log);
    assert_eq!(dirty(&place.open(100)), None, "still");
    // A copy has other files.
    drop(place.clean(100));
    let copy = Place::new();
    for file in [names::VOLUME_META, names::REGIONS_FILE] {
        std::fs::copy(place.directory.file(file), copy.directory.file(file)).unwrap();
    }
    assert_eq!((place.on_disk(100), copy.on_disk(100)), (Some(Vec::new()), None));
}

#[test]
fn it_is_kept_under_the_volume_meta_that_comes() {
    let place = Place::new();
    let mut log = place.clean(100);
    mark(&log, 9);
    let prepared = place.directory.prepare(names::VOLUME_META, b"{}", 0o644).unwrap();
    log.expect_change(&place.directory);
    assert_eq!(place.on_disk(100).unwrap(), [9]);
    prepared.commit().unwrap();
    assert_eq!(place.on_disk(100).unwrap(), [9]);
    {
        let _nothing_is_written = fault::fail("write", names::REGIONS_FILE, nix::libc::EIO);
        log.follow(&place.directory, 100 * REGION, HEAD);
    }
    place.directory.replace(names::VOLUME_META, b"{}", 0o644).unwrap();
    assert_eq!(place.on_disk(100), None);
    log.follow(&place.directory, 100 * REGION, HEAD);
    assert_eq!(place.on_disk(100).unwrap(), [9]);
}

#[test]
fn a_larger_volume_takes_its_dirty_regions_along() {
    let place = Place::new();
    let (small, large) = (256 << 10, 300 << 10);
    let mut log = place.clean(small);
    [0, 7, 9, small - 1].into_iter().for_each(|region| mark(&log, region));
    let round = log.begin_round();
    log.follow(&place.directory, large * REGION, HEAD);
    let expected = [0, 1, 6, 7, 8, 9, small - 2, small - 1];
    assert_eq!((dirty(&log).unwrap(), place.on_disk(large).unwrap()), (expected.to_vec(), expected.to_vec()));
    assert!(log.end_round(&place.directory, round).is_err());
    assert_eq!(dirty(&log).unwrap(), expected, "a round of the smaller volume");
    mark(&log, large - 1);
    assert_eq!(place.on_disk(large).unwrap()[8..], [large - 2, large - 1]);
}

#[test]
fn a_sequential_writer_has_regions_marked_ahead() {
    let place = Place::new();
    let log = place.clean(100);
    mark(&log, 10);
    assert_eq!(dirty(&log).unwrap(), [10]);
    mark(&log, 11);
    assert_eq!(dirty(&log).unwrap(), (10..=11 + AHEAD).collect::<Vec<_>>());
    mark(&log, 90);
    mark(&log, 91);
    assert_eq!(place.on_disk(100).unwrap().last(), Some(&99), "not past the end");
}

#[test]
fn what_an_absent_replica_misses_is_kept_until_it_is_back_or_the_head_is_another() {
    let place = Place::new();
    let mut log = place.clean(100);
    mark(&log, 3);
    let absent =
        |log: &Regions, replica: &str| log.missed(replica).map(|missed| (missed.since, regions_of(&missed.regions)));
    assert!(log.begin_to_miss(&place.directory, "a", 7).unwrap());
    mark(&log, 50);
    log.end_round(&place.directory, log.begin_round()).unwrap();
    assert!(log.begin_to_miss(&place.directory, "b", 9).unwrap());
    mark(&log, 3);
    mark(&log, 60);
    assert_eq!(dirty(&log).unwrap(), [3, 60]);
    assert_eq!((absent(&log, "a"), absent(&log, "b")), (Some((7, vec![3, 50, 60])), Some((9, vec![3, 60]))));
    drop(log);
    log = place.open(100);
    assert_eq!((absent(&log, "a"), absent(&log, "b")), (Some((7, vec![3, 50, 60])), Some((9, vec![3, 60]))));
    log.forget_missed(&place.directory, "b").unwrap();
    mark(&log, 70);
    drop(log);
    log = place.open(100);
    assert_eq!((absent(&log, "a"), absent(&log, "b")), (Some((7, vec![3, 50, 60, 70])), None));
    log.follow(&place.directory, 100 * REGION, "volume-head-002.img");
    assert_eq!(absent(&log, "a"), None);
    assert_eq!(dirty(&log).unwrap(), [3, 60, 70], "that has nothing to do with it");
    drop(log);
    let log = Regions::load(&place.directory, 100 * REGION, "volume-head-002.img");
    assert_eq!((dirty(&log).unwrap(), absent(&log, "a")), (vec![3, 60, 70], None));
}

#[test]
fn where_everything_is_dirty_or_nothing_can_be_written_nobody_is_known_to_be_absent() {
    let place = Place::new();
    let log = place.open(100);
    assert!(!log.begin_to_miss(&place.directory, "a", 7).unwrap());
    let log = place.clean(100);
    {
        let _full = fault::fail("write", &names::tmp_of(names::REGIONS_FILE), nix::libc::ENOSPC);
        assert!(log.begin_to_miss(&place.directory, "a", 7).is_err());
    }
    assert!(log.missed("a").is_none());
    mark(&log, 5);
    assert_eq!(place.on_disk(100).unwrap(), [5]);
}

/// The new log may not be there after a power cut, and what was marked since is in that one alone.
#[test]
fn a_log_that_was_replaced_is_not_trusted_any_more() {
    let place = Place::new();
    let log = place.clean(100);
    let (now, before) = (place.directory.file(names::REGIONS_FILE), place.directory.file("before"));
    std::fs::hard_link(&now, &before).unwrap();
    {
        let _unknown = fault::fail("sync the new name of", names::REGIONS_FILE, nix::libc::EIO);
        assert!(log.begin_to_miss(&place.directory, "a", 7).unwrap());
    }
    mark(&log, 5);
    assert_eq!(place.on_disk(100).unwrap(), [5]);
    std::fs::rename(&before, &now).unwrap();
    assert_eq!(place.on_disk(100), None);
}

#[test]
fn writers_that_come_together_share_what_is_written() {
    let place = Place::new();
    let log = place.clean(3000);
    std::thread::scope(|threads| {
        for writer in 0..8_u64 {
            let log = &log;
            threads.spawn(move || {
                for step in 0..20 {
                    let region = (step * 8 + writer) * 17;
                    mark(log, region);
                    assert!(log.are_marked(region * REGION, REGION));
                }
            });
        }
        let log = &log;
        threads.spawn(move || (0..20).for_each(|_| assert!(log.begin_round() > 0)));
    });
    let expected: Vec<u64> = (0..160).map(|at| at * 17).collect();
    assert_eq!((dirty(&log).unwrap(), place.on_disk(3000).unwrap()), (expected.clone(), expected));
}

/// What a page is torn to on the disk: the volume goes on, and the next mark repairs it.
#[test]
fn a_torn_page_says_that_its_regions_are_dirty() {
    let place = Place::new();
    let log = place.clean(100);
    mark(&log, 3);
    let path = place.directory.file(names::REGIONS_FILE);
    let mut content = std::fs::read(&path).unwrap();
    content[PAGE + 100] ^= 1;
    std::fs::write(&path, &content).unwrap();
    assert_eq!(place.on_disk(100).unwrap().len(), 100);
    mark(&log, 5);
    assert_eq!(place.on_disk(100).unwrap(), [3, 5]);
    content[8] ^= 1;
    std::fs::write(&path, &content).unwrap();
    assert_eq!(place.on_disk(100), None);
}

#[test]
fn whatever_changes_the_head_is_marked_first() {
    let scratch = Scratch::new(1024);
    let replica = scratch.open();
    replica.end_region_round(replica.begin_region_round().unwrap()).unwrap();
    let log = |replica: &Replica| {
        let ranges = replica.dirty_regions().unwrap().unwrap().ranges().unwrap();
        ranges.into_iter().map(|range| (range.start / REGION, range.end / REGION)).collect::<Vec<_>>()
    };
    put(&replica, 0, 1, 1);
    assert_eq!(log(&replica), [(0, 1)]);
    take(&replica, "s");
    replica.write_zeroes(2 * REGION, 4096, true).unwrap();
    assert_eq!(log(&replica), [(0, 1), (2, 3)]);
    replica.discard(3 * REGION - 4096, 8192).unwrap();
    assert_eq!(log(&replica), [(0, 1), (2, 4)]);
    replica.close().unwrap();
    let replica = scratch.open();
    assert_eq!(log(&replica), [(0, 1), (2, 4)], "a close knows nothing of the others");
    drop(replica);
    let replica = scratch.open();
    assert_eq!(log(&replica), [(0, 1), (2, 4)], "after a crash");
    replica.end_region_round(replica.begin_region_round().unwrap()).unwrap();
    replica.expand((2048 * BLOCK) as u64, crate::replica::tests::CREATED).unwrap();
    replica.write(6 * REGION, &crate::replica::tests::filled(1, BLOCK)).unwrap();
    assert_eq!(log(&replica), [(6, 7)]);
    drop(replica);
    assert_eq!(log(&scratch.open()), [(6, 7)]);
}

#[test]
fn a_write_is_refused_where_the_log_cannot_say_so() {
    let scratch = Scratch::new(1024);
    let replica = scratch.open();
    replica.end_region_round(replica.begin_region_round().unwrap()).unwrap();
    let fault = fault::fail("write", names::REGIONS_FILE, nix::libc::EIO);
    assert!(replica.write(0, &crate::replica::tests::filled(1, BLOCK)).is_err());
    drop(fault);
    assert_eq!(crate::replica::tests::head_bytes(&replica)[0], 0, "nothing was written");
    put(&replica, 0, 1, 1);
}

#[test]
fn a_directory_without_room_for_a_log_is_used_without_one() {
    let scratch = Scratch::new(16);
    let replica = scratch.open();
    {
        let _full = fault::fail("write", &names::tmp_of(names::REGIONS_FILE), nix::libc::ENOSPC);
        assert!(replica.end_region_round(replica.begin_region_round().unwrap()).is_err());
    }
    assert!(!Path::new(&scratch.dir).join(names::REGIONS_FILE).exists());
    put(&replica, 0, 1, 1);
    assert_eq!(replica.dirty_regions().unwrap(), None);
}
