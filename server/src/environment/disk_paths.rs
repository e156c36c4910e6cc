//! Which paths can be disks, as far as the paths alone tell.

use std::path::{Component, Path, PathBuf};

/// Names are keys of maps and parts of messages.
pub const NAME_MAXIMUM: usize = 63;

/// More disks than a machine has; a list beyond is a mistake.
pub const DISKS_MAXIMUM: usize = 128;

/// Why a disk can't have this name or path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("{0:?} is no name for a disk: it needs 1 to 63 characters")]
    Name(String),
    #[error("disk {disk}: {path:?} is no absolute path without `..`")]
    NotAbsolute { disk: String, path: String },
    #[error("disk {disk}: {path:?} has control characters in it")]
    Control { disk: String, path: String },
    #[error("{0} disks are more than the {DISKS_MAXIMUM} that a node can have")]
    TooMany(usize),
    #[error("disk {disk}: {path} lies within {own}, where the manager keeps its own files")]
    Own { disk: String, path: String, own: String },
    #[error("disk {disk}: the root directory is no disk")]
    Root { disk: String },
    #[error("disks {first} and {second} have the same path {path}")]
    Same { first: String, second: String, path: String },
    #[error("disk {inner} ({inner_path}) lies within disk {outer} ({outer_path})")]
    Within { inner: String, inner_path: String, outer: String, outer_path: String },
}

impl PathError {
    /// What a person can do.
    #[must_use]
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Name(_) => "Use 1 to 63 characters.",
            Self::TooMany(_) => "Give fewer, larger ones.",
            Self::NotAbsolute { .. } | Self::Root { .. } | Self::Control { .. } | Self::Own { .. } => {
                "Give the directory where the disk is mounted, such as /mnt/ssd1."
            }
            Self::Same { .. } | Self::Within { .. } => "Give each disk its own directory, on its own file system.",
        }
    }
}

/// The disks of one node: name and path.
pub fn check<'a>(
    disks: impl IntoIterator<Item = (&'a str, &'a str), IntoIter: ExactSizeIterator>,
) -> Result<(), PathError> {
    let disks = disks.into_iter();
    if disks.len() > DISKS_MAXIMUM {
        return Err(PathError::TooMany(disks.len()));
    }
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for (disk, path) in disks {
        let normal = normal(disk, path)?;
        for (other, other_path) in &seen {
            apart((other, other_path), (disk, &normal))?;
        }
        seen.push((disk, normal));
    }
    Ok(())
}

/// Without doubled and trailing slashes and `.`, so that what is the same reads the same.
fn normal(disk: &str, path: &str) -> Result<PathBuf, PathError> {
    if disk.trim().is_empty() || disk.chars().count() > NAME_MAXIMUM || disk.contains(char::is_control) {
        return Err(PathError::Name(disk.to_owned()));
    }
    // They would forge lines of logs and of the table of mounts.
    if path.contains(char::is_control) {
        return Err(PathError::Control { disk: disk.to_owned(), path: path.to_owned() });
    }
    let parsed = Path::new(path);
    let climbs = parsed.components().any(|part| part == Component::ParentDir);
    if !parsed.is_absolute() || climbs {
        return Err(PathError::NotAbsolute { disk: disk.to_owned(), path: path.to_owned() });
    }
    let normal: PathBuf = parsed.components().collect();
    if normal.parent().is_none() {
        return Err(PathError::Root { disk: disk.to_owned() });
    }
    Ok(normal)
}

pub(super) fn apart(first: (&str, &Path), second: (&str, &Path)) -> Result<(), PathError> {
    if first.1 == second.1 {
        return Err(PathError::Same {
            first: first.0.to_owned(),
            second: second.0.to_owned(),
            path: first.1.display().to_string(),
        });
    }
    let (inner, outer) = if first.1.starts_with(second.1) { (first, second) } else { (second, first) };
    if !inner.1.starts_with(outer.1) {
        return Ok(());
    }
    Err(PathError::Within {
        inner: inner.0.to_owned(),
        inner_path: inner.1.display().to_string(),
        outer: outer.0.to_owned(),
        outer_path: outer.1.display().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_disks() {
        let long = "x".repeat(64);
        let many: Vec<String> = (0..=DISKS_MAXIMUM).map(|at| format!("d{at}")).collect();
        for (case, disks, words) in [
            ("two disks", vec![("a", "/mnt/a"), ("b", "/mnt/ab")], ""),
            ("no disks", vec![], ""),
            ("relative", vec![("a", "mnt/a")], "no absolute path"),
            ("empty", vec![("a", "")], "no absolute path"),
            ("climbing", vec![("a", "/mnt/../etc")], "no absolute path"),
            ("root", vec![("a", "//.")], "root directory"),
            ("the same", vec![("a", "/mnt/a"), ("b", "/mnt//a/")], "the same path /mnt/a"),
            ("below the first", vec![("a", "/mnt/a"), ("b", "/mnt/a/b")], "disk b (/mnt/a/b) lies within disk a"),
            ("above the first", vec![("a", "/mnt/a/b"), ("b", "/mnt/a")], "disk a (/mnt/a/b) lies within disk b"),
            ("a line break", vec![("a", "/mnt/a\nb")], "control characters"),
            ("no name", vec![(" ", "/mnt/a")], "no name"),
            ("a long name", vec![(long.as_str(), "/mnt/a")], "no name"),
            ("too many", many.iter().map(|name| (name.as_str(), "/mnt/a")).collect(), "129 disks are more"),
        ] {
            match check(disks) {
                Ok(()) => assert_eq!(words, "", "{case}"),
                Err(error) => assert!(!words.is_empty() && error.to_string().contains(words), "{case}: {error}"),
            }
        }
    }
}
