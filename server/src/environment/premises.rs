//! What lies on the machine that all nodes of a standalone installation share: a disk of one node must neither be one of
//! another node, nor lie where the manager keeps its own files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk_paths::{self, PathError};

/// The installation's own places. Empty where each node is a machine of its own.
#[derive(Clone, Debug, Default)]
pub struct Premises(Option<Arc<Places>>);

#[derive(Debug)]
struct Places {
    /// The data directory itself is no disk; what else is mounted below it may be one.
    data: PathBuf,
    /// Directories of the manager. Nothing below them is a disk,
    own: Vec<PathBuf>,
    /// except for each node's first one.
    default_disks: BTreeMap<String, PathBuf>,
}

/// A disk that is there or wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub node: String,
    pub disk: String,
    pub path: PathBuf,
}

impl Premises {
    /// One machine. Paths are absolute.
    #[must_use]
    pub fn new(data: &Path, own: impl IntoIterator<Item = PathBuf>, default_disks: BTreeMap<String, PathBuf>) -> Self {
        let own = own.into_iter().map(|path| real(&path)).collect();
        Self(Some(Arc::new(Places { data: real(data), own, default_disks })))
    }

    /// Whether disks can be added beside those that are there. Reads the file system, which may take its time: links are
    /// followed, so that two paths to one place are known for what they are.
    ///
    /// # Errors
    /// The first disk that lies in another one, around it, or among the manager's own files.
    pub fn check(&self, added: &[Place], present: &[Place]) -> Result<(), PathError> {
        let Some(places) = &self.0 else { return Ok(()) };
        let mut seen: Vec<(&Place, PathBuf)> = present.iter().map(|place| (place, real(&place.path))).collect();
        for place in added {
            let (title, path) = (place.title(), real(&place.path));
            if places.is_here(place) {
                places.check(place, &path)?;
            }
            for (other, other_path) in seen.iter().filter(|(other, _)| places.are_together(other, place)) {
                disk_paths::apart((&other.title(), other_path), (&title, &path))?;
            }
            seen.push((place, path));
        }
        Ok(())
    }
}

impl Places {
    /// Whether its node is one of this machine. In a cluster there are others.
    fn is_here(&self, place: &Place) -> bool {
        self.default_disks.contains_key(&place.node)
    }

    /// Whether both are on one machine, as far as is known.
    fn are_together(&self, one: &Place, other: &Place) -> bool {
        one.node == other.node || (self.is_here(one) && self.is_here(other))
    }

    fn check(&self, place: &Place, path: &Path) -> Result<(), PathError> {
        let is_default = self.default_disks.get(&place.node).is_some_and(|default| real(default) == path);
        let own = self.own.iter().find(|own| path.starts_with(own)).filter(|_| !is_default);
        match own.or(Some(&self.data).filter(|data| *data == path)) {
            None => Ok(()),
            Some(own) => Err(PathError::Own {
                disk: place.disk.clone(),
                path: place.path.display().to_string(),
                own: own.display().to_string(),
            }),
        }
    }
}

impl Place {
    fn title(&self) -> String {
        format!("{} of {}", self.disk, self.node)
    }
}

/// The path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (there.canonicalize(), path.strip_prefix(there)) {
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_of_one_machine_lie_apart() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let at = |path: &str| root.join(path);
        for directory in ["data/nodes/node-1", "data/nodes/node-2", "data/records", "mnt/a"] {
            std::fs::create_dir_all(at(directory)).unwrap();
        }
        std::os::unix::fs::symlink(at("mnt/a"), at("link")).unwrap();
        let default = |node: &str| (node.to_owned(), at("data/nodes").join(node));
        let defaults = ["node-1", "node-2"].map(default).into();
        let premises = Premises::new(&at("data"), [at("data/nodes"), at("data/records"), at("run")], defaults);
        let place = |node: &str, disk: &str, path: &str| Place { node: node.into(), disk: disk.into(), path: at(path) };
        let present = [place("node-2", "d2", "mnt/a"), place("node-2", "d3", "not/there")];
        for (node, path, words) in [
            ("node-1", "mnt/b", ""),
            ("node-1", "data/ssd", ""),
            ("node-1", "data/nodes/node-1", ""),
            ("node-1", "mnt/a", "disks d2 of node-2 and new of node-1 have the same path"),
            ("node-1", "link", "the same path"),
            ("node-1", "link/below", "disk new of node-1"),
            ("node-1", "mnt", "disk d2 of node-2"),
            ("node-1", "not/there/too", "lies within disk d3 of node-2"),
            ("node-1", "data", "the manager keeps its own files"),
            ("node-1", "data/records/x", "the manager keeps its own files"),
            ("node-1", "data/nodes/node-2", "the manager keeps its own files"),
            ("node-1", "run/node-1", "the manager keeps its own files"),
        ] {
            let added = [place(node, "new", path)];
            match premises.check(&added, &present) {
                Ok(()) => assert_eq!(words, "", "{path}"),
                Err(error) => {
                    assert!(!words.is_empty() && error.to_string().contains(words), "{path}: {error}");
                    assert!(!error.next_step().is_empty());
                }
            }
            assert!(Premises::default().check(&added, &present).is_ok(), "nodes that are machines");
        }
        let both = [place("node-1", "one", "mnt/c"), place("node-1", "two", "mnt/c/below")];
        assert!(premises.check(&both, &[]).is_err());
    }
}
