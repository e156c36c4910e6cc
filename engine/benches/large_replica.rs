//! What a replica of 1 TiB with a hundred snapshots costs: time and memory to open it, and reads through a hundred
//! layers beside reads of the same data in one. Run by `make bench-large`; needs 13 GiB below `/var/tmp` for a while.
//!
//! Every open happens in a process of its own, so that its peak is its own. The two sides of the comparison of reads
//! take turns; a ratio is the median of the ratios of the turns.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people that stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::replica::{OpenOptions, Replica};

const BLOCK: u64 = 4096;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const SNAPSHOTS: u64 = 100;
/// Data of the volumes that are read.
const READ_BYTES: u64 = GIB;
const TURNS: usize = 15;
const TURN: Duration = Duration::from_millis(300);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "open") {
        return open_once(Path::new(&arguments[at + 1]));
    }
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    println!("opening a replica of 1 TiB with {SNAPSHOTS} snapshots (random extents, in every snapshot)");
    println!("{:<44} {:>10} {:>10} {:>10} {:>10}", "", "extents", "open, s", "peak, MiB", "heap, MiB");
    for (what, extents, length) in
        [("2,000 extents of 64 KiB a snapshot", 2_000, 16), ("5,000 extents of 4 KiB a snapshot", 5_000, 1)]
    {
        let dir = root.path().join("opened");
        fragmented(&dir, extents, length);
        let answer = Command::new(std::env::current_exe().unwrap()).arg("open").arg(&dir).output().unwrap();
        print!("{what:<44} {}", String::from_utf8_lossy(&answer.stdout));
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        std::fs::remove_dir_all(&dir).unwrap();
    }
    compare_reads(root.path());
}

/// A replica in which every snapshot and the head hold `extents` ranges of `length` blocks at random places. They are
/// allocated and not written: the maps are the same, and a disk of ordinary size has room for them.
fn fragmented(dir: &Path, extents: u64, length: u64) {
    Replica::create(dir, TIB, OpenOptions::default()).unwrap();
    let replica = Replica::open(dir, OpenOptions::default()).unwrap();
    let mut random = Random(7);
    for number in 0..=SNAPSHOTS {
        for _ in 0..extents {
            let block = random.below(TIB / BLOCK - length);
            replica.write_zeroes(block * BLOCK, length * BLOCK, false).unwrap();
        }
        if number < SNAPSHOTS {
            take(&replica, number);
        }
    }
    replica.close().unwrap();
}

fn open_once(dir: &Path) {
    let before = Instant::now();
    let replica = Replica::open(dir, OpenOptions::default()).unwrap();
    let took = before.elapsed();
    let layers = replica.layers().unwrap();
    assert_eq!(layers.len() as u64, SNAPSHOTS + 1);
    let extents: usize =
        layers.iter().map(|layer| replica.layer_extents(&layer.file_name, 0, usize::MAX).unwrap().len()).sum();
    let mib = |field| status_kib(field) as f64 / 1024.0;
    println!("{extents:>10} {:>10.2} {:>10.1} {:>10.1}", took.as_secs_f64(), mib("VmHWM:"), mib("RssAnon:"));
    replica.close().unwrap();
}

fn status_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The same data, written in the same order, once with a snapshot after each hundredth of it.
fn compare_reads(root: &Path) {
    let sides = [1, SNAPSHOTS].map(|layers| {
        let dir = root.join(format!("layers-{layers}"));
        Replica::create(&dir, TIB, OpenOptions::default()).unwrap();
        let replica = Replica::open(&dir, OpenOptions::default()).unwrap();
        fill(&replica, layers);
        replica
    });
    println!("\nreads of {} MiB of random 64 KiB pieces in 100 layers beside 1 layer", READ_BYTES / MIB);
    println!("{:<44} {:>10} {:>10} {:>10}", "", "1 layer", "100 layers", "time ratio");
    for (what, length, threads, end) in [
        ("random 4 KiB, one at a time, reads/s", BLOCK, 1, READ_BYTES),
        ("random 4 KiB, 8 at a time, reads/s", BLOCK, 8, READ_BYTES),
        ("random 64 KiB, one at a time, reads/s", 16 * BLOCK, 1, READ_BYTES),
        ("random 1 MiB (16 pieces), reads/s", MIB, 1, READ_BYTES),
    ] {
        let turns = (0..TURNS as u64).map(|turn| sides.each_ref().map(|side| rate(side, length, threads, end, turn)));
        let [one, hundred, ratio] = medians(turns.map(|[one, hundred]| [one, hundred, one / hundred]).collect());
        println!("{what:<44} {one:>10.0} {hundred:>10.0} {ratio:>10.2}");
    }
    for side in sides {
        side.close().unwrap();
    }
}

fn fill(replica: &Replica, layers: u64) {
    const PIECE: u64 = 64 << 10;
    let count = READ_BYTES / PIECE;
    let mut order: Vec<u64> = (0..count).collect();
    let mut random = Random(11);
    for last in (1..count).rev() {
        order.swap(last as usize, random.below(last + 1) as usize);
    }
    let mut data = AlignedBuf::zeroed(PIECE as usize);
    data.fill(0x5a);
    for (number, piece) in order.into_iter().enumerate() {
        replica.write(piece * PIECE, &data).unwrap();
        let after = number as u64 + 1;
        // The last part stays in the head.
        if layers > 1 && after * layers / count > (after - 1) * layers / count && after < count {
            take(replica, after * layers / count);
        }
    }
    replica.flush().unwrap();
}

fn take(replica: &Replica, number: u64) {
    replica.snapshot(&format!("s{number}"), true, "2026-11-21T08:00:00Z", &BTreeMap::new()).unwrap();
}

/// Reads per second in one turn.
fn rate(replica: &Replica, length: u64, threads: u64, end: u64, turn: u64) -> f64 {
    let begin = Instant::now();
    let read = |thread: u64| {
        let mut random = Random(1 + turn * 100 + thread);
        let mut count = 0_u64;
        while begin.elapsed() < TURN {
            let at = random.below(end / length) * length;
            assert_eq!(replica.read(at, length as u32).unwrap()[0], 0x5a);
            count += 1;
        }
        count
    };
    let count: u64 = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || read(thread))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    count as f64 / begin.elapsed().as_secs_f64()
}

fn medians(turns: Vec<[f64; 3]>) -> [f64; 3] {
    std::array::from_fn(|column| {
        let mut values: Vec<f64> = turns.iter().map(|turn| turn[column]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    })
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        // Xorshift, with a multiplication for the low bits.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % end
    }
}
