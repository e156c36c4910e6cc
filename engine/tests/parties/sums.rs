//! Looking at the checksums that a replica keeps of its images' blocks, and changing blocks as a bad disk does.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

const BLOCK: u64 = 4096;
const PREFIX: &str = "aurochs.sums.";

/// Asserts that everything that is known of the images is right. Returns how many blocks are known, by image. Only of a
/// directory that was opened since its last owner was killed: until then what is dirty in its log may be known wrongly.
pub fn check_sums(directory: &Path) -> BTreeMap<String, usize> {
    let mut known = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".img") && name.starts_with("volume-") {
            let count = check_image(directory, &name);
            known.insert(name, count);
        }
    }
    known
}

fn check_image(directory: &Path, name: &str) -> usize {
    let image = File::open(directory.join(name)).unwrap();
    let Ok(sums) = std::fs::read(directory.join(sums_of(&image))) else { return 0 };
    let mut count = 0;
    for (offset, sum) in (0..).step_by(BLOCK as usize).zip(sums.chunks_exact(4)) {
        let sum = u32::from_le_bytes(sum.try_into().unwrap());
        let mut block = [0; BLOCK as usize];
        if sum == 0 || image.read_exact_at(&mut block, offset).is_err() {
            continue;
        }
        // What is known of a hole is out of date, and counts for nobody.
        if block != [0; BLOCK as usize] {
            assert_eq!(sum, crc32c::crc32c(&block).max(1), "the block at {offset} of {name} in {directory:?}");
        }
        count += 1;
    }
    count
}

fn sums_of(image: &File) -> String {
    let facts = image.metadata().unwrap();
    let birth = facts.created().unwrap().duration_since(UNIX_EPOCH).unwrap();
    format!("{PREFIX}{}.{}", facts.ino(), birth.as_nanos())
}

/// Whether these are the checksums of an image that is there.
pub fn are_of_an_image(directory: &Path, file: &str) -> bool {
    let images = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut images = images.filter(|name| name.ends_with(".img"));
    file.starts_with(PREFIX) && images.any(|name| sums_of(&File::open(directory.join(name)).unwrap()) == file)
}

/// Changes one bit of an image, and nothing else.
pub fn flip(image: &Path, offset: u64) {
    let file = File::options().read(true).write(true).open(image).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
    file.sync_all().unwrap();
}
