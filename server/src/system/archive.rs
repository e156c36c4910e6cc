//! Files in a zip, in memory.

use std::io::{Cursor, Read, Write};

use bytes::Bytes;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Files of Longhorn's own are about twenty.
const FILES_MAXIMUM: usize = 1000;
/// Of one file, and of all, as they are when they are unpacked: ten thousand volumes take 60 MiB. A small zip can unpack to
/// anything.
const FILE_BYTES_MAXIMUM: u64 = 256 << 20;
const ALL_BYTES_MAXIMUM: u64 = 512 << 20;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Within the zip, with slashes.
    pub path: String,
    pub text: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{path} can't be packed: {source}")]
    Pack { path: String, source: zip::result::ZipError },
    #[error("the zip can't be read: {0}")]
    Unpack(#[from] zip::result::ZipError),
    #[error("{path} in the zip can't be read: {why}")]
    File { path: String, why: String },
    #[error("the zip holds more than {0}, which no system backup does")]
    TooMuch(&'static str),
}

/// The same files give the same zip.
pub fn pack(files: &[File]) -> Result<Bytes, ArchiveError> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o644);
    for File { path, text } in files {
        let packed = writer.start_file(path.as_str(), options).and_then(|()| Ok(writer.write_all(text.as_bytes())?));
        packed.map_err(|source| ArchiveError::Pack { path: path.clone(), source })?;
    }
    let done = writer.finish().map_err(|source| ArchiveError::Pack { path: "its index".to_owned(), source })?;
    Ok(done.into_inner().into())
}

/// The files whose path `wanted` takes.
pub fn unpack(zip: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Vec<File>, ArchiveError> {
    let mut archive = ZipArchive::new(Cursor::new(zip))?;
    if archive.len() > FILES_MAXIMUM {
        return Err(ArchiveError::TooMuch("1000 files"));
    }
    let (mut files, mut left) = (Vec::new(), ALL_BYTES_MAXIMUM);
    for place in 0..archive.len() {
        let entry = archive.by_index(place)?;
        let path = entry.name()?.into_owned();
        if entry.is_dir() || !wanted(&path) {
            continue;
        }
        let limit = FILE_BYTES_MAXIMUM.min(left);
        let mut text = String::new();
        // One byte more than there may be: what the index says of a size is not trusted.
        let read = entry.take(limit + 1).read_to_string(&mut text);
        let read = read.map_err(|error| ArchiveError::File { path: path.clone(), why: error.to_string() })? as u64;
        if read > limit {
            return Err(ArchiveError::TooMuch("512 MiB"));
        }
        left -= read;
        files.push(File { path, text });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back() {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let files = [file("a/metadata.yaml", "x: 1\n"), file("a/yamls/longhorn/volumes.yaml", &"ü\n".repeat(10_000))];
        let zip = pack(&files).unwrap();
        assert_eq!(zip, pack(&files).unwrap());
        assert_eq!(unpack(&zip, |_| true).unwrap(), files);
        assert_eq!(unpack(&zip, |path| path.ends_with("volumes.yaml")).unwrap(), files[1..]);
        assert!(matches!(unpack(&zip[..zip.len() / 2], |_| true), Err(ArchiveError::Unpack(_))));
        assert!(unpack(b"no zip", |_| true).is_err());
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        writer.start_file("bomb.yaml", options).unwrap();
        let zeros = vec![b' '; 1 << 20];
        for _ in 0..=FILE_BYTES_MAXIMUM >> 20 {
            writer.write_all(&zeros).unwrap();
        }
        let zip = writer.finish().unwrap().into_inner();
        assert!(zip.len() < 2 << 20);
        assert!(matches!(unpack(&zip, |_| true), Err(ArchiveError::TooMuch(_))));
    }
}
