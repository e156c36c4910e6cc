//! What makes a written file an image, and an image of others one of ours.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha512};

use super::place::sync_directory;
use super::progress::Progress;
use super::record::{Record, go_time, real_size};
use super::sink::{Written, hexadecimal};
use super::{ImageError, Place};
use crate::backing;

/// Read at a time while a file is hashed.
const PIECE_BYTES: usize = 1 << 20;

/// Turns `backing.tmp`, which is durable, into the image. Blocks.
pub(super) fn seal(place: &Place, expected: &str, written: &Written) -> Result<Record, ImageError> {
    check(expected, &written.checksum)?;
    let unfinished = place.unfinished();
    let record = describe(place, &unfinished, expected, &written.checksum)?;
    record.write(place)?;
    let (file, directory) = (place.file(), place.directory());
    fs::rename(&unfinished, &file).map_err(ImageError::at("rename into place", &unfinished))?;
    sync_directory(&directory)?;
    Ok(record)
}

/// Describes a file that lies there without a record that speaks of it: one of another program, or one that was touched.
/// What it had to be once, it has to be still. Blocks.
pub(super) fn recognise(place: &Place, expected: &str, progress: &Progress) -> Result<Record, ImageError> {
    let file = place.file();
    let before = fs::metadata(&file).map_err(ImageError::at("look at", &file))?;
    progress.plan(before.len());
    let checksum = hash(&file, progress)?;
    let recorded = Record::read(place).map(|record| record.current_checksum).unwrap_or_default();
    for expected in [expected, &recorded] {
        check(expected, &checksum)?;
    }
    let record = describe(place, &file, expected, &checksum)?;
    // Somebody writes to it.
    if before.modified().ok().map(go_time).as_ref() != Some(&record.modification_time) {
        return Err(ImageError::Source("it changed while it was looked at; leave it alone".to_owned()));
    }
    record.write(place)?;
    Ok(record)
}

fn check(expected: &str, found: &str) -> Result<(), ImageError> {
    if expected.is_empty() || expected.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    Err(ImageError::Checksum { found: found.to_owned(), expected: expected.to_owned() })
}

fn describe(place: &Place, path: &Path, expected: &str, checksum: &str) -> Result<Record, ImageError> {
    let virtual_size = backing::content_size(path)?;
    if virtual_size == 0 {
        return Err(ImageError::Empty);
    }
    let facts = fs::metadata(path).map_err(ImageError::at("look at", path))?;
    let modified = facts.modified().map_err(ImageError::at("look at", path))?;
    Ok(Record {
        name: place.file().display().to_string(),
        uuid: place.uuid().to_owned(),
        size: facts.len(),
        virtual_size,
        real_size: real_size(&facts),
        expected_checksum: expected.to_owned(),
        current_checksum: checksum.to_owned(),
        modification_time: go_time(modified),
    })
}

/// SHA-512 of a file. Blocks.
pub(super) fn hash(path: &Path, progress: &Progress) -> Result<String, ImageError> {
    let mut file = File::open(path).map_err(ImageError::at("open", path))?;
    let (mut sum, mut buffer, mut done) = (Sha512::new(), vec![0; PIECE_BYTES], 0);
    loop {
        if progress.cancelled().load(std::sync::atomic::Ordering::Relaxed) {
            return Err(ImageError::GivenUp);
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hexadecimal(&sum.finalize())),
            Ok(length) => {
                sum.update(&buffer[..length]);
                done += length as u64;
                progress.at(done);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ImageError::at("read", path)(error)),
        }
    }
}
