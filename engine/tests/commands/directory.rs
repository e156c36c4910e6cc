//! A golden directory, extracted, with its manifest and with a memory of how it looked.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::golden_archive::{Golden, sha256};

/// Everything about a file that a command that only reads must leave as it was.
type State = BTreeMap<String, (String, u64, u64, i64, i64, i64, i64)>;

/// The state of all files and of the directory itself, which has the name `.`.
pub(super) fn state(dir: &Path) -> State {
    let mut state = State::new();
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.push(".".to_owned());
    for name in names {
        let path = dir.join(&name);
        if !path.is_symlink() {
            // Before that, a file system counts more for it than it takes in the end.
            fs::File::open(&path).unwrap().sync_all().unwrap();
        }
        let facts = fs::symlink_metadata(&path).unwrap();
        let content = if facts.is_file() { sha256(&path) } else { String::new() };
        let times = (facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec());
        state.insert(name, (content, facts.len(), facts.blocks(), times.0, times.1, times.2, times.3));
    }
    state
}

impl Golden {
    pub(super) fn output(&self) -> PathBuf {
        self.beside("exported.img")
    }

    /// Replaces `from` in a small file of the directory.
    pub(super) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.dir.join(file);
        let before = fs::read_to_string(&path).unwrap();
        assert!(before.contains(from), "{before}");
        fs::write(&path, before.replace(from, to)).unwrap();
    }

    pub(super) fn cut(&self, file: &str, size: u64) {
        fs::File::options().write(true).open(self.dir.join(file)).unwrap().set_len(size).unwrap();
    }
}
