//! Which layers a directory has and how they stand on each other.
//!
//! ```text
//!   root ◄── snap-a ◄── snap-b ◄── head        the live chain: what a reader of the volume sees
//!               ▲
//!               └────── snap-c                 another branch: kept, listed, not read
//! ```
//! An arrow is the `Parent` in the upper layer's metadata.

use std::collections::BTreeMap;

use super::directory::Directory;
use super::error::ReplicaError;
use super::metadata::LayerMeta;
use super::names;

/// Longest live chain, head included. Longhorn keeps layer indexes in 8 bits and refuses longer chains.
pub(crate) const LONGEST_CHAIN: usize = 250;

/// Every layer with metadata, by the file name of its image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(pub(crate) BTreeMap<String, LayerMeta>);

impl Records {
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
        Ok(Self(records))
    }

    pub(crate) fn get(&self, file_name: &str) -> Option<&LayerMeta> {
        self.0.get(file_name)
    }

    /// `file_name` and everything below it, root last.
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
        Records(pairs.iter().map(|(name, parent)| ((*name).to_owned(), LayerMeta::head(name, parent, ""))).collect())
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
    fn the_longest_chain_has_250_layers() {
        let long = |count: usize| {
            Records(
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
