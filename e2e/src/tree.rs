//! Directory trees by checksum.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::device;

/// Tens of MiB in thousands of files on every machine.
const REAL: &str = "/usr/share/doc";

/// What a path is: the hash of a file, the target of a link, or a directory.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    File([u8; 32]),
    Link(PathBuf),
    Directory,
}

/// A real tree in the directory `within`. It is a copy: who installs a package while a test runs changes nothing in it.
#[must_use]
pub fn original(within: &Path) -> PathBuf {
    let original = within.join("original");
    copy(Path::new(REAL), &original);
    original
}

/// With owners, times and links.
pub fn copy(from: &Path, to: &Path) {
    device::run("cp", &["-a", &from.display().to_string(), &to.display().to_string()]);
}

/// Everything below `root`, by path relative to it.
///
/// # Errors
/// What cannot be read, with its path.
pub fn read(root: &Path) -> Result<BTreeMap<PathBuf, Content>, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let content = content(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            if content == Content::Directory {
                open.push(path.clone());
            }
            found.insert(path.strip_prefix(root).unwrap_or(&path).to_owned(), content);
        }
    }
    Ok(found)
}

fn content(path: &Path) -> std::io::Result<Content> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_symlink() {
        return fs::read_link(path).map(Content::Link);
    }
    if kind.is_dir() {
        return Ok(Content::Directory);
    }
    let mut file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Content::File(hash.finalize().into())),
            count => hash.update(&buffer[..count]),
        }
    }
}
