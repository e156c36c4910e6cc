//! Merges that a crash (of ours, or of Longhorn's purge) caught with both names on one file.
//!
//! | a removed layer and the one layer on it | means |
//! |---|---|
//! | are the same file, and neither is the head | the copy is complete and durable, only names and metadata are missing |
//! | are two files | nothing that shows: a later purge starts anew |
//!
//! A removed layer on which nothing stands any more, and which is the same file as another layer, is one whose child
//! already has its new parent: its names go, the data belongs to the other.
//!
//! A snapshot's name on the file that is the *head* is something else, which [`crate::replica::leftovers`] has
//! dealt with before.

use crate::replica::ReplicaError;
use crate::replica::chain::Records;
use crate::replica::directory::Directory;
use crate::replica::names;

use super::plan;

/// What is to be finished once the directory is known to be sound and ours.
#[derive(Debug, Default)]
pub(in crate::replica) struct InterruptedMerges(Vec<Interrupted>);

#[derive(Debug)]
struct Interrupted {
    removed: String,
    /// Whose metadata is to be written; `None` where it has its new parent.
    child: Option<String>,
}

impl InterruptedMerges {
    /// Finds them, and makes `records` what they will be. Changes nothing in the directory.
    pub(in crate::replica) fn find(
        directory: &Directory,
        head: &str,
        records: &mut Records,
    ) -> Result<Self, ReplicaError> {
        let mut found = Vec::new();
        let pairs: Vec<_> = records.0.iter().map(|(child, record)| (child.clone(), record.parent.clone())).collect();
        for (child, removed) in pairs {
            if !plan::may_coalesce(records, head, &removed, &child) || !same_file(directory, &removed, &child)? {
                continue;
            }
            let parent = records.0.remove(&removed).map(|record| record.parent).unwrap_or_default();
            if let Some(record) = records.0.get_mut(&child) {
                record.name.clone_from(&child);
                record.parent = parent;
            }
            found.push(Interrupted { removed, child: Some(child) });
        }
        for removed in leaves_of_others(directory, head, records)? {
            records.0.remove(&removed);
            found.push(Interrupted { removed, child: None });
        }
        Ok(Self(found))
    }

    /// `records` are those that [`InterruptedMerges::find`] has changed.
    pub(in crate::replica) fn finish(&self, directory: &Directory, records: &Records) -> Result<(), ReplicaError> {
        for Interrupted { removed, child } in &self.0 {
            tracing::info!(removed, directory = %directory.path().display(), "finishing an interrupted purge");
            if let Some((child, record)) = child.as_ref().and_then(|child| Some((child, records.get(child)?))) {
                let file = names::meta_of(child);
                directory.replace(&file, &record.encode(&file)?, 0o644)?;
            }
            for name in [removed.clone(), names::checksum_of(removed), names::meta_of(removed)] {
                directory.remove(&name)?;
            }
        }
        if self.0.is_empty() { Ok(()) } else { directory.sync() }
    }
}

fn leaves_of_others(directory: &Directory, head: &str, records: &Records) -> Result<Vec<String>, ReplicaError> {
    let mut found = Vec::new();
    for leaf in records.0.keys().filter(|name| plan::is_removed_leaf(records, head, name)) {
        let has_other_names = directory.identity(leaf)?.is_some_and(|identity| identity.names > 1);
        // Few files ever have two names, so this is looked at for few.
        if has_other_names && is_file_of_another(directory, leaf, records)? {
            found.push(leaf.clone());
        }
    }
    Ok(found)
}

fn is_file_of_another(directory: &Directory, leaf: &str, records: &Records) -> Result<bool, ReplicaError> {
    for other in records.0.keys().filter(|other| *other != leaf) {
        if same_file(directory, leaf, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn same_file(directory: &Directory, one: &str, other: &str) -> Result<bool, ReplicaError> {
    let (one, other) = (directory.identity(one)?, directory.identity(other)?);
    Ok(one.zip(other).is_some_and(|(one, other)| one.same_file(&other)))
}
