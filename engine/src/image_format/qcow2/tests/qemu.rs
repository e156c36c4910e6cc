//! What we read of an image is what `qemu-img convert` makes of it.

use super::{Images, content, open, qemu_io, run};
use crate::image_format::Format;

const MIB: u64 = 1 << 20;
/// Neither a multiple of clusters nor of blocks.
const ODD_SIZE: u64 = 5 * MIB + 3 * 512;

/// Whole blocks, many clusters at once, and pieces that start and end anywhere.
const PIECES: [usize; 3] = [4096, 1 << 20, 77_777];

fn assert_same(images: &Images, path: &std::path::Path) {
    let expected = images.raw_content(path);
    let image = open(path).unwrap();
    assert_eq!(image.size(), expected.len() as u64);
    for piece in PIECES {
        let found = content(&image, piece);
        let difference = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        assert_eq!(difference, None, "{} in pieces of {piece}", path.display());
    }
}

/// Writes, zeros and discards of all alignments.
fn scribble(path: &std::path::Path) {
    qemu_io(
        path,
        &[
            "write -P 1 0 64k",
            "write -P 2 100k 300k",
            "write -z 128k 100k",
            "write -P 3 1000k 1536",
            "write -P 4 2047k 2k",
            "discard 150k 64k",
            "write -z -u 300k 64k",
            "write -P 5 4M 700k",
            "write -P 6 5242880 1536",
        ],
    );
}

#[test]
fn clusters_of_every_size() {
    for cluster in ["512", "1k", "4k", "64k", "256k", "2M"] {
        let images = Images::new();
        let path = images.create(&format!("cluster_size={cluster}"), ODD_SIZE);
        scribble(&path);
        assert_same(&images, &path);
    }
}

#[test]
fn version_2() {
    let images = Images::new();
    let path = images.create("compat=0.10", ODD_SIZE);
    scribble(&path);
    assert_same(&images, &path);
}

#[test]
fn subclusters() {
    for cluster in ["16k", "64k", "2M"] {
        let images = Images::new();
        let path = images.create(&format!("extended_l2=on,cluster_size={cluster}"), ODD_SIZE);
        scribble(&path);
        qemu_io(&path, &["write -P 9 3000k 512", "write -z 3001k 2k", "write -P 8 3500k 33k", "write -z 3510k 4k"]);
        assert_same(&images, &path);
    }
}

#[test]
fn preallocated_images() {
    for preallocation in ["metadata", "falloc", "full"] {
        let images = Images::new();
        let path = images.create(&format!("preallocation={preallocation}"), ODD_SIZE);
        assert_same(&images, &path);
        scribble(&path);
        assert_same(&images, &path);
    }
}

#[test]
fn compressed_images() {
    for compression in ["zlib", "zstd"] {
        for cluster in ["4k", "64k", "2M"] {
            let images = Images::new();
            let raw = images.raw(ODD_SIZE as usize);
            let path = images.compressed(&raw, &format!("compression_type={compression},cluster_size={cluster}"));
            assert_same(&images, &path);
            // Some clusters are overwritten uncompressed.
            qemu_io(&path, &["write -P 7 10k 5k", "write -z 1M 128k"]);
            assert_same(&images, &path);
        }
    }
}

#[test]
fn compressed_clusters_among_others() {
    let images = Images::new();
    let path = images.create("cluster_size=64k,extended_l2=on", ODD_SIZE);
    qemu_io(&path, &["write -P 1 0 200k", "write -c -P 2 256k 128k", "write -P 3 380k 40k", "write -c -P 4 5M 1536"]);
    assert_same(&images, &path);
}

#[test]
fn internal_snapshots_change_nothing() {
    let images = Images::new();
    let path = images.create("cluster_size=4k", ODD_SIZE);
    scribble(&path);
    run(std::process::Command::new("qemu-img").args(["snapshot", "-c", "before"]).arg(&path));
    qemu_io(&path, &["write -P 11 0 3M"]);
    assert_same(&images, &path);
}

#[test]
fn far_ends_of_a_large_image() {
    const SIZE: u64 = 8 << 40;
    let images = Images::new();
    let path = images.create("cluster_size=64k", SIZE);
    let last = SIZE - 4096;
    let middle = (5_u64 << 30) + 4096;
    let patterns = [(0, 1_u8), (middle, 2), (last, 3)];
    for (offset, pattern) in patterns {
        qemu_io(&path, &[&format!("write -P {pattern} {offset} 4096")]);
    }
    let image = open(&path).unwrap();
    let mut block = vec![0; 3 * 4096];
    for (offset, pattern) in patterns {
        image.read(offset.saturating_sub(4096), &mut block).unwrap();
        let start = offset.min(4096) as usize;
        assert!(block[..start].iter().all(|&byte| byte == 0), "before {offset}");
        assert!(block[start..start + 4096].iter().all(|&byte| byte == pattern), "at {offset}");
        assert!(block[start + 4096..].iter().all(|&byte| byte == 0), "after {offset}");
    }
}

#[test]
fn threads_share_an_image() {
    let images = Images::new();
    let raw = images.raw(8 << 20);
    let path = images.compressed(&raw, "cluster_size=64k");
    let expected = std::fs::read(&raw).unwrap();
    let image = open(&path).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (image, expected) = (&image, &expected);
            scope.spawn(move || {
                for step in 0..1000_u64 {
                    // Places that jump around, different for each thread.
                    let offset = (step * 7919 + thread * 104_729) * 4096 % (8 << 20);
                    let mut block = [0; 4096];
                    image.read(offset, &mut block).unwrap();
                    assert_eq!(block[..], expected[offset as usize..offset as usize + 4096], "at {offset}");
                }
            });
        }
    });
}

#[test]
fn the_first_bytes_decide_about_the_format() {
    let images = Images::new();
    let qcow2 = images.create("cluster_size=64k", MIB);
    let raw = images.raw(4096);
    let short = images.path("short");
    std::fs::write(&short, b"QF").unwrap();
    for (path, format) in [(&qcow2, Format::Qcow2), (&raw, Format::Raw), (&short, Format::Raw)] {
        let file = std::fs::File::open(path).unwrap();
        assert_eq!(Format::probe(&file, path).unwrap(), format, "{}", path.display());
    }
}
