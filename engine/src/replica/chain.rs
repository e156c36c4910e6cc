//! Which layers a directory has and how they stand on each other.
//!
//! ```text
//!   root ◄── snap-a ◄── snap-b ◄── head        the live chain: what a reader of the volume sees
//!               ▲
//!               └────── snap-c                 another branch: kept, listed, not read
//! ```
//! An arrow is the `Parent` in the upper layer's metadata.

use std::collections::{BTreeMap, BTreeSet};

use super::directory::Directory;
use super::error::ReplicaError;
use super::metadata::LayerMeta;
use super::names;

/// Longest live chain, head included. Longhorn keeps layer indexes in 8 bits and refuses longer chains.
pub(crate) const LONGEST_CHAIN: usize = 250;

/// Every layer with metadata, by the file name of its image; and those of them whose image is not there.
///
/// Invariant: a layer without its image (a person's hand, a damaged file system) counts as one that stands on its
/// parent, for everybody who asks: were its image to come back, or be saved from somewhere, it would need all that
/// lies below it. Nothing is read from it, merged with it or copied from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(pub(crate) BTreeMap<String, LayerMeta>, BTreeSet<String>);

impl Records {
    pub(crate) fn of(layers: BTreeMap<String, LayerMeta>) -> Self {
        Self(layers, BTreeSet::new())
    }

    /// Reads every `<image>.img.meta`. The file name counts, not the `Name` inside.
    pub(crate) fn discover(directory: &Directory, listing: &[String]) -> Result<Self, ReplicaError> {
        let mut records = BTreeMap::new();
        for file in listing {
            let Some(image) = names::image_of_meta(file) else {
                continue;
            };
            let Some(text) = directory.read(file)? else {
                continue;
            };
            records.insert(image.to_owned(), LayerMeta::decode(file, &text)?);
        }
        Ok(Self::of(records))
    }

    /// A layer whose image is not there.
    pub(crate) fn note_missing_image(&mut self, file_name: &str) {
        self.1.insert(file_name.to_owned());
    }

    pub(crate) fn lacks_image(&self, file_name: &str) -> bool {
        self.1.contains(file_name)
    }

    pub(crate) fn without_image(&self) -> impl Iterator<Item = &String> {
        self.1.iter()
    }

    /// Takes a layer out, whatever was known of it.
    pub(crate) fn forget(&mut self, file_name: &str) {
        self.0.remove(file_name);
        self.1.remove(file_name);
    }

    /// Fails where the layer's image is not there.
    pub(crate) fn check_image(&self, file_name: &str) -> Result<(), ReplicaError> {
        if self.lacks_image(file_name) {
            return Err(ReplicaError::ImageMissing { file_name: file_name.to_owned() });
        }
        Ok(())
    }

    pub(crate) fn get(&self, file_name: &str) -> Option<&LayerMeta> {
        self.0.get(file_name)
    }

    /// `file_name` and everything below it, root last. Every image of it is there.
    pub(crate) fn chain_from(&self, file_name: &str) -> Result<Vec<String>, ReplicaError> {
        let mut chain = Vec::new();
        let mut at = file_name;
        while !at.is_empty() {
            let record = self.get(at).ok_or_else(|| {
                let child = chain.last().map_or(names::VOLUME_META, |child: &String| child.as_str());
                ReplicaError::corrupt(names::meta_of(at), format!("it is missing, and {child} stands on this layer"))
            })?;
            if chain.len() > self.0.len() {
                return Err(ReplicaError::corrupt(names::meta_of(at), "its chain of parents comes back to itself"));
            }
            self.check_image(at)?;
            chain.push(at.to_owned());
            at = &record.parent;
        }
        if chain.len() > LONGEST_CHAIN {
            return Err(ReplicaError::ChainTooLong { count: chain.len(), limit: LONGEST_CHAIN });
        }
        Ok(chain)
    }

    pub(crate) fn has_children(&self, file_name: &str) -> bool {
        self.0.values().any(|record| record.parent == file_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(pairs: &[(&str, &str)]) -> Records {
        Records::of(
            pairs.iter().map(|(name, parent)| ((*name).to_owned(), LayerMeta::head(name, parent, ""))).collect(),
        )
    }

    #[test]
    fn the_chain_runs_to_the_root() {
        let records = records(&[("h", "b"), ("b", "a"), ("a", ""), ("c", "a")]);
        assert_eq!(records.chain_from("h").unwrap(), ["h", "b", "a"]);
        assert!(records.has_children("a") && !records.has_children("c"));
    }

    #[test]
    fn a_missing_record_and_a_circle_are_errors() {
        let missing = records(&[("h", "b")]).chain_from("h").unwrap_err().to_string();
        assert!(missing.contains("b.meta") && missing.contains("h stands on"), "{missing}");
        assert!(matches!(records(&[("h", "b"), ("b", "h")]).chain_from("h"), Err(ReplicaError::Corrupt { .. })));
    }

    #[test]
    fn a_layer_without_its_image_stands_on_its_parent_and_is_not_read() {
        let mut records = records(&[("h", "a"), ("b", "a"), ("a", ""), ("c", "b"), ("d", "c")]);
        records.note_missing_image("c");
        assert!(records.has_children("b") && records.chain_from("h").is_ok());
        for unreadable in ["c", "d"] {
            let error = records.chain_from(unreadable).unwrap_err();
            assert!(matches!(&error, ReplicaError::ImageMissing { file_name } if file_name == "c"), "{error}");
        }
        records.forget("c");
        assert!(!records.has_children("b") && !records.lacks_image("c"));
    }

    #[test]
    fn the_longest_chain_has_250_layers() {
        let long = |count: usize| {
            Records::of(
                (0..count)
                    .map(|index| {
                        let parent = if index == 0 { String::new() } else { format!("{}", index - 1) };
                        (format!("{index}"), LayerMeta::head("", &parent, ""))
                    })
                    .collect(),
            )
        };
        assert_eq!(long(250).chain_from("249").unwrap().len(), 250);
        assert!(matches!(long(251).chain_from("250"), Err(ReplicaError::ChainTooLong { count: 251, .. })));
    }
}
