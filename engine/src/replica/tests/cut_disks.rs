//! The disk under a replica as it was at a moment in the middle of writes: what a power cut leaves, journal and all.
//!
//! The disk is a file on an XFS of the test's own, which can copy it as of one instant (a reflink). Writes that the file
//! system had not sent to the disk by then are not in the copy. Needs root.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::super::{OpenOptions, Replica};
use super::mounted::{Disk, run};
use super::{BLOCK, head_bytes, put, take};

const BLOCKS: usize = 2048;
const WRITERS: usize = 4;
const CUTS: usize = 4;

/// What has been acknowledged, by block.
#[derive(Default)]
struct Acknowledged {
    written: Mutex<Vec<usize>>,
    flushed: Mutex<Vec<usize>>,
    count: AtomicUsize,
    stop: AtomicBool,
}

impl Acknowledged {
    /// Writes every block once, in an order that leaves holes beside most of them.
    fn write(&self, replica: &Replica, writer: usize) {
        for step in 0..BLOCKS / WRITERS {
            let block = (step * 769 % (BLOCKS / WRITERS)) * WRITERS + writer;
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            put(replica, block, 1, 2);
            self.written.lock().unwrap().push(block);
            self.count.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn flush(&self, replica: &Replica) {
        while !self.stop.load(Ordering::SeqCst) {
            let written = self.written.lock().unwrap().clone();
            replica.flush().unwrap();
            *self.flushed.lock().unwrap() = written;
        }
    }
}

#[test]
fn a_disk_cut_off_in_the_middle_of_writes_shows_no_zeros_and_everything_flushed() {
    for (mkfs, options, bytes, mount) in [
        ("mkfs.ext4", &["-q", "-b", "4096"][..], 96 << 20, "loop"),
        ("mkfs.xfs", &["-q"][..], 320 << 20, "loop,nouuid"),
    ] {
        let Some(outer) = Disk::mounted("mkfs.xfs", &["-q", "-m", "reflink=1"], 1 << 30) else { return };
        let inner = Disk::made_in(outer.path(), mkfs, options, bytes);
        let unwritten: usize = (0..CUTS).map(|cut| cut_off(&outer, &inner, mount, cut)).sum();
        eprintln!("{mkfs}: {unwritten} unwritten extents were found in {CUTS} cuts");
    }
}

/// Copies the disk while a volume on it is written. Returns how many unwritten extents the volume's head had then.
fn cut_off(outer: &Disk, inner: &Disk, mount: &str, cut: usize) -> usize {
    let name = format!("replica-{cut}");
    let dir = inner.path().join(&name);
    Replica::create(&dir, (BLOCKS * BLOCK) as u64, OpenOptions::default()).unwrap();
    let replica = Replica::open(&dir, OpenOptions::default()).unwrap();
    put(&replica, 0, BLOCKS, 1);
    take(&replica, "s");
    replica.flush().unwrap();

    let seen = Acknowledged::default();
    let copy = outer.path().join(format!("copy-{cut}"));
    let flushed = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (seen, replica) = (&seen, &replica);
            scope.spawn(move || seen.write(replica, writer));
        }
        scope.spawn(|| seen.flush(&replica));
        let deadline = Instant::now() + Duration::from_secs(60);
        while seen.count.load(Ordering::SeqCst) < (cut + 1) * BLOCKS / (CUTS + 2) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let flushed = seen.flushed.lock().unwrap().clone();
        run("cp", &["--reflink=always"], &[&inner.image, &copy]);
        seen.stop.store(true, Ordering::SeqCst);
        flushed
    });
    replica.abandon();

    let copy = Disk::of_image(&copy, mount);
    let dir = copy.path().join(&name);
    let unwritten = super::power_cuts::unwritten_extents(&dir).len();
    let replica = Replica::open(&dir, OpenOptions::default()).unwrap();
    let content = head_bytes(&replica);
    assert!(content.iter().all(|byte| [1, 2].contains(byte)), "{name}: zeros in place of flushed data");
    assert!(flushed.iter().all(|block| content[*block] == 2), "{name}: a flushed write is gone");
    replica.close().unwrap();
    unwritten
}
