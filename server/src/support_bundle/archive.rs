//! The file of a bundle. It is written beside its place and takes its name when it is whole: a manager that dies half-way
//! leaves nothing that looks like a bundle.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::contents::Step;

/// Bytes that go into one archive, before they are packed: what a person can send to somebody.
pub(super) const LIMIT_BYTES: u64 = 256 << 20;

#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("can't {what} {path}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("can't pack {name} into the support bundle: {source}")]
    Pack { name: String, source: zip::result::ZipError },
}

/// A file of the archive.
#[derive(Debug)]
pub(super) struct Part {
    /// Path within the archive.
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

/// An archive that is being written.
struct Archive {
    writer: ZipWriter<BufWriter<File>>,
    path: PathBuf,
    /// What is still free of [`LIMIT_BYTES`].
    room: u64,
    left_out: Vec<String>,
}

impl Archive {
    fn begin(path: &Path) -> Result<Self, ArchiveError> {
        let unfinished = unfinished(path);
        let file = (|| {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            File::create(&unfinished)
        })();
        let file = file.map_err(|source| ArchiveError::Io { what: "make", path: unfinished, source })?;
        let writer = ZipWriter::new(BufWriter::new(file));
        Ok(Self { writer, path: path.to_owned(), room: LIMIT_BYTES, left_out: Vec::new() })
    }

    /// What does not fit any more is left out and named at the end.
    fn add(&mut self, part: &Part) -> Result<(), ArchiveError> {
        let size = part.content.len() as u64;
        if size > self.room {
            self.left_out.push(part.name.clone());
            return Ok(());
        }
        self.room -= size;
        self.put(&part.name, &part.content)
    }

    fn put(&mut self, name: &str, content: &[u8]) -> Result<(), ArchiveError> {
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o600);
        let packed = self.writer.start_file(name, options).and_then(|()| Ok(self.writer.write_all(content)?));
        packed.map_err(|source| ArchiveError::Pack { name: name.to_owned(), source })
    }

    /// The archive is whole: it gets its name. Answers with its size in bytes.
    fn finish(mut self) -> Result<u64, ArchiveError> {
        if !self.left_out.is_empty() {
            let text = format!(
                "Left out, since the bundle has its limit of {LIMIT_BYTES} bytes:\n{}\n",
                self.left_out.join("\n")
            );
            self.put("left-out.txt", text.as_bytes())?;
        }
        let (unfinished, path) = (unfinished(&self.path), self.path);
        let finished =
            self.writer.finish().map_err(|source| ArchiveError::Pack { name: "its index".to_owned(), source })?;
        let whole = || {
            let file = finished.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            let size = file.metadata()?.len();
            std::fs::rename(&unfinished, &path)?;
            Ok(size)
        };
        whole().map_err(|source| ArchiveError::Io { what: "finish", path: path.clone(), source })
    }
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("unfinished")
}

/// Removes an archive, whole or not; one that is not there is removed already.
pub(super) fn remove(path: &Path) -> Result<(), ArchiveError> {
    for path in [path.to_owned(), unfinished(path)] {
        match std::fs::remove_file(&path) {
            Err(source) if !matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(ArchiveError::Io { what: "remove", path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes what comes until it is whole; answers with the size of the archive, or nothing when the rest never came.
pub(super) fn write(
    path: &Path,
    mut steps: tokio::sync::mpsc::Receiver<Step>,
    mut added: impl FnMut(),
) -> Result<Option<u64>, ArchiveError> {
    let mut archive = Archive::begin(path)?;
    loop {
        match steps.blocking_recv() {
            Some(Step::Add(part)) => {
                archive.add(&part)?;
                added();
            }
            Some(Step::LeaveOut(name)) => {
                archive.left_out.push(name);
                added();
            }
            Some(Step::Whole) => return archive.finish().map(Some),
            None => {
                drop(archive);
                remove(path)?;
                return Ok(None);
            }
        }
    }
}
