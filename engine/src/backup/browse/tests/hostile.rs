//! Images that were changed by accident or on purpose: whatever they say, there is an answer, soon, and in little memory.

use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use fatfs::FatType;
use proptest::prelude::*;

use super::{fat, open_bytes, path, run};

/// Small, and without checksums that would stop a reader at the first changed bit.
fn ext(options: &[&str]) -> Vec<u8> {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let (source, image) = (place.path().join("source"), place.path().join("image"));
    fs::create_dir_all(source.join("a/b/c")).unwrap();
    fs::write(source.join("a/file"), super::noise(1, 30_000)).unwrap();
    fs::write(source.join("a/b/c/leaf"), "leaf").unwrap();
    std::os::unix::fs::symlink("b/c/leaf", source.join("a/link")).unwrap();
    std::os::unix::fs::symlink("x".repeat(200), source.join("a/long")).unwrap();
    for index in 0..40 {
        fs::write(source.join(format!("a/b/name-{index}")), index.to_string()).unwrap();
    }
    run(Command::new("mke2fs")
        .args(["-q", "-F", "-b", "1024", "-O", "^metadata_csum"])
        .args(options)
        .arg("-d")
        .arg(&source)
        .arg(&image)
        .arg("1M"));
    fs::read(image).unwrap()
}

static IMAGES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    [ext(&["-t", "ext4", "-O", "^has_journal"]), ext(&["-t", "ext2"]), fat::make(FatType::Fat12, 300 << 10)]
});

/// Everything that can be asked.
fn look_through(image: Vec<u8>) {
    let Ok(browser) = open_bytes(image) else { return };
    let _ = browser.list(&path("/"), None, 100);
    let _ = browser.find_itself(&path("/a/link"));
    let _ = browser.find(&path("/a/long"));
    if let Ok(mut reader) = browser.read(&path("/a/file"), 100, 1 << 20) {
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    }
    let _ = browser.tar(&path("/"), std::io::sink());
}

/// Places that are written: zeros between them mean nothing.
fn used(image: &[u8]) -> Vec<usize> {
    image
        .chunks(64)
        .enumerate()
        .filter(|(_, chunk)| chunk.iter().any(|&byte| byte != 0))
        .map(|(index, _)| index * 64)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_do_no_harm(
        which in 0..3_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..64_usize, any::<u8>()), 1..24),
    ) {
        let mut image = IMAGES[which].clone();
        let places = used(&image);
        for (place, within, value) in changes {
            let at = places[place.index(places.len())] + within;
            if let Some(byte) = image.get_mut(at) {
                *byte = value;
            }
        }
        look_through(image);
    }

    /// The first sectors decide over everything.
    #[test]
    fn changed_numbers_at_the_beginning_do_no_harm(
        which in 0..3_usize,
        changes in prop::collection::vec((0..1536_usize, prop::sample::select(vec![0_u32, 1, 2, 0x7fff_ffff, 0x8000_0000, u32::MAX])), 1..4),
    ) {
        let mut image = IMAGES[which].clone();
        for (place, value) in changes {
            image[place..place + 4].copy_from_slice(&value.to_le_bytes());
        }
        look_through(image);
    }

    #[test]
    fn a_cut_image_does_no_harm(which in 0..3_usize, length in 0..300_000_usize) {
        let mut image = IMAGES[which].clone();
        image.truncate(length);
        look_through(image);
    }
}

/// A directory that contains itself.
#[test]
fn a_circle_of_directories_ends() {
    let mut image = IMAGES[0].clone();
    // The entry of "c" in "/a/b" gets the inode of "a": 12 is "a" where 11 is lost+found.
    let entry = image.windows(9).position(|bytes| bytes[4..] == [12, 0, 1, 2, b'c'] || (bytes[6..] == [1, 2, b'c']));
    let at = entry.unwrap();
    let root = [2_u8, 0, 0, 0];
    image[at..at + 4].copy_from_slice(&root);
    let browser = open_bytes(image).unwrap();
    let mut tar = Vec::new();
    let packed = browser.tar(&path("/"), &mut tar).unwrap();
    assert_eq!(packed.left_out, 1, "{packed:?}");
    assert!(packed.entries < 100, "{packed:?}");
}
