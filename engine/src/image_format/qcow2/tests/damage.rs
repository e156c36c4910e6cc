//! Files that are cut off, or changed at random: bytes or an error, never a panic, and never zeros for what is missing.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Images, content, open, qemu_io};
use crate::image_format::ImageError;
use crate::image_format::qcow2::Qcow2Image;

const SIZE: u64 = 128 << 10;

/// Reads all that a small image can have, and the last bytes of one that has become large.
fn read_all(image: &Qcow2Image) -> Vec<Result<(), ImageError>> {
    let mut buffer = vec![0; 3000];
    let starts = (0..SIZE + 4096).step_by(buffer.len()).chain([image.size().saturating_sub(1000), u64::MAX - 4096]);
    starts.map(|offset| image.read(offset, &mut buffer)).collect()
}

/// Small images of every kind of table.
fn victims() -> Vec<Vec<u8>> {
    let mut victims = Vec::new();
    for options in ["cluster_size=512", "cluster_size=16k,extended_l2=on", "cluster_size=4k,compat=0.10"] {
        let images = Images::new();
        let path = images.create(options, SIZE);
        qemu_io(&path, &["write -P 1 0 20k", "write -z 8k 8k", "write -P 2 100k 9k", "write -c -P 3 48k 16k"]);
        victims.push(std::fs::read(path).unwrap());
    }
    let images = Images::new();
    let raw = images.raw(SIZE as usize);
    for options in ["compression_type=zstd,cluster_size=4k", "compression_type=zlib,cluster_size=64k"] {
        let path = images.compressed(&raw, options);
        victims.push(std::fs::read(path).unwrap());
        std::fs::remove_file(images.path("compressed.qcow2")).unwrap();
    }
    victims
}

#[test]
fn changed_bytes_give_content_or_an_error() {
    let victims = victims();
    let images = Images::new();
    let path = images.path("changed.qcow2");
    // Half of the changes hit the header, the rest anything.
    let place = prop_oneof![(0_usize..112), any::<usize>()];
    let changes = proptest::collection::vec((place, any::<u8>()), 1..6);
    let cut = proptest::option::weighted(0.2, any::<usize>());
    let strategy = (0..victims.len(), changes, cut);
    let mut runner = TestRunner::new(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() });
    let outcome = runner.run(&strategy, |(victim, changes, cut)| {
        let mut bytes = victims[victim].clone();
        for (place, value) in changes {
            let place = place % bytes.len();
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut % bytes.len());
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(image) = open(&path) {
            read_all(&image);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn what_is_cut_off_is_an_error() {
    let images = Images::new();
    let path = images.create("cluster_size=4k", SIZE);
    qemu_io(&path, &["write -P 1 0 128k"]);
    let whole = std::fs::read(&path).unwrap();
    let image = open(&path).unwrap();
    assert!(content(&image, 4096).iter().all(|&byte| byte == 1));
    // The last cluster of the file may be short; what it lacks was never written.
    for length in (0..whole.len() - 4096).step_by(4096) {
        std::fs::write(&path, &whole[..length]).unwrap();
        if let Ok(image) = open(&path) {
            assert!(read_all(&image).iter().any(Result::is_err), "cut to {length}");
        }
    }
}

#[test]
fn a_damaged_cluster_is_named_with_its_file() {
    let images = Images::new();
    let raw = images.raw(SIZE as usize);
    let path = images.compressed(&raw, "compression_type=zstd,cluster_size=64k");
    let mut bytes = std::fs::read(&path).unwrap();
    // The magic of the first zstd frame.
    let frame = bytes.windows(4).position(|window| window == [0x28, 0xb5, 0x2f, 0xfd]).unwrap();
    bytes[frame] = 0;
    std::fs::write(&path, &bytes).unwrap();
    let error = open(&path).unwrap().read(0, &mut [0; 4096]).unwrap_err().to_string();
    assert!(error.contains("compressed.qcow2") && error.contains("cannot be uncompressed"), "{error}");
}
