//! How fast hashing and compressing go on this machine, with nothing else to do.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use aurochs_engine::backup::block::{self, Checksum, Compression, Encoder, Hasher};
use bytes::Bytes;

use crate::content::{BLOCK, Content};
use crate::processors::Machine;
use crate::report::Figure;
use crate::settings::Settings;
use crate::workplace::Workplace;

/// Of the volume: so much is enough for a steady figure.
const BYTES_MAXIMUM: u64 = 1 << 30;
/// Blocks that are hashed at once.
const TOGETHER: u64 = 4;
/// Files that are written at once.
const IN_FLIGHT: usize = 24;

pub(crate) fn measure(settings: &Settings, workplace: &Workplace) -> Vec<Figure> {
    let content = Content::new(settings.size().min(BYTES_MAXIMUM));
    let cores = cores();
    let hash = |number: u64| assert_ne!(checksum(&content.block(number)), Checksum::of(b""));
    let compress = |number: u64| drop(encode(content.block(number)));
    let both = |number: u64| {
        let pieces = content.block(number);
        (checksum(&pieces), encode(pieces))
    };
    // What a restore has to do with each block: a few, decoded over and over.
    let stored: Vec<(Checksum, Bytes)> = (0..8).map(&both).map(|(sum, file)| (sum, file.into())).collect();
    let decode = |number: u64| {
        let (checksum, file) = &stored[number as usize % stored.len()];
        drop(block::decode(Compression::Lz4, file, BLOCK, checksum).unwrap());
    };
    let together = |number: u64| {
        let some: Vec<_> = (0..TOGETHER).map(|at| content.block(number * TOGETHER + at)).collect();
        assert_eq!(block::checksums(&some).len(), some.len());
    };
    let mut figures = Vec::new();
    for (threads, where_) in [(1, "one core"), (cores, "all cores")] {
        let mut add = |what: &str, mib_per_second| {
            figures.push(Figure::rate(&format!("{what}, {where_}"), mib_per_second));
        };
        add("SHA-512", rate(threads, content.size(), &hash));
        let fours = content.size() / TOGETHER;
        add("SHA-512 of four blocks at once", TOGETHER as f64 * rate(threads, fours, &together));
        add("LZ4 compress", rate(threads, content.size(), &compress));
        add("hash and compress", rate(threads, content.size(), &|number| drop(both(number))));
        add("uncompress and hash", rate(threads, content.size(), &decode));
    }
    figures.extend(disk(&stored, content.size(), &workplace.directory("alone")));
    figures
}

/// The files of a backup written into a directory, each synced, with nothing else to do: MiB of
/// the volume a second.
fn disk(stored: &[(Checksum, Bytes)], bytes: u64, directory: &Path) -> Vec<Figure> {
    let mib = bytes as f64 / f64::from(1 << 20);
    let path = |number: u64| directory.join(number.to_string());
    let machine = Machine::now();
    let write = |number: u64| {
        let mut file = fs::File::create(path(number)).unwrap();
        file.write_all(&stored[number as usize % stored.len()].1).unwrap();
        file.sync_all().unwrap();
    };
    let written = rate(IN_FLIGHT, bytes, &write);
    let mut figures = vec![Figure::rate("files written and synced, alone", written)];
    figures.extend(machine.taken_since("files written and synced, alone", mib));
    (0..bytes / BLOCK).for_each(|number| fs::remove_file(path(number)).unwrap());
    figures
}

pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// With an encoder for each thread, as a backup has them.
fn encode(pieces: Vec<Bytes>) -> Vec<u8> {
    thread_local!(static ENCODER: RefCell<Encoder> = RefCell::default());
    ENCODER.with_borrow_mut(|encoder| encoder.encode(Compression::Lz4, pieces)).unwrap()
}

fn checksum(pieces: &[Bytes]) -> Checksum {
    let mut hasher = Hasher::default();
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher.finish()
}

/// MiB a second of `work` on all blocks, each once, by so many threads.
fn rate(threads: usize, bytes: u64, work: &(dyn Fn(u64) + Sync)) -> f64 {
    let (next, begin) = (AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= bytes / BLOCK {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
    bytes as f64 / f64::from(1 << 20) / begin.elapsed().as_secs_f64()
}
