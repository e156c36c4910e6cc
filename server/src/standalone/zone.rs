//! Zones of logical nodes: labels on Node resources, as Kubernetes has them on its nodes.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::resources::node::{LABEL_REGION, LABEL_ZONE};
use crate::resources::{Node, Object};
use crate::store::{Store, StoreError};

/// `node-1=zone-a` or `node-1=region/zone-a`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeZone {
    pub node: String,
    /// Empty for none.
    pub region: String,
    pub zone: String,
}

/// Why a zone can't be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    #[error("{0:?} is no zone of a node; write NODE=ZONE or NODE=REGION/ZONE, with letters, digits, dashes and dots")]
    Form(String),
    #[error("there is no node {node} that could be in a zone; the nodes are {nodes}")]
    UnknownNode { node: String, nodes: String },
    #[error("two zones are given for {0}")]
    Twice(String),
}

impl FromStr for NodeZone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let wrong = || ZoneError::Form(text.to_owned());
        let (node, place) = text.split_once('=').ok_or_else(wrong)?;
        let (region, zone) = place.split_once('/').unwrap_or(("", place));
        let is_word = |word: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            word.len() <= 63 && word.bytes().all(plain)
        };
        let good = !node.is_empty() && !zone.is_empty() && (place.len() == zone.len() || !region.is_empty());
        if !good || ![node, region, zone].into_iter().all(is_word) {
            return Err(wrong());
        }
        Ok(Self { node: node.to_owned(), region: region.to_owned(), zone: zone.to_owned() })
    }
}

impl NodeZone {
    fn labels(&self) -> BTreeMap<String, String> {
        let labels = [(LABEL_REGION, &self.region), (LABEL_ZONE, &self.zone)];
        let given = labels.into_iter().filter(|(_, value)| !value.is_empty());
        given.map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }
}

/// Every zone is of a node that there is, and each node has one.
pub(super) fn check(zones: &[NodeZone], nodes: &[String]) -> Result<(), ZoneError> {
    for (index, zone) in zones.iter().enumerate() {
        if !nodes.contains(&zone.node) {
            return Err(ZoneError::UnknownNode { node: zone.node.clone(), nodes: nodes.join(", ") });
        }
        if zones[..index].iter().any(|other| other.node == zone.node) {
            return Err(ZoneError::Twice(zone.node.clone()));
        }
    }
    Ok(())
}

/// What new nodes are labelled with.
pub(super) fn labels(zones: &[NodeZone]) -> BTreeMap<String, BTreeMap<String, String>> {
    zones.iter().map(|zone| (zone.node.clone(), zone.labels())).collect()
}

/// Moves nodes that there are already; one that no zone is given for stays where it was.
pub(super) async fn apply(store: &Store, zones: &[NodeZone]) -> Result<(), StoreError> {
    for zone in zones {
        let change = |node: &mut Object<Node>| {
            node.metadata.labels.retain(|key, _| key != LABEL_REGION && key != LABEL_ZONE);
            node.metadata.labels.extend(zone.labels());
        };
        match store.modify::<Node>(&zone.node, change).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_as_people_write_them() {
        let parse = |text: &str| text.parse::<NodeZone>();
        let simple = parse("node-1=a").unwrap();
        assert_eq!((simple.node.as_str(), simple.region.as_str(), simple.zone.as_str()), ("node-1", "", "a"));
        let full = parse("node-1=eu/a-1").unwrap();
        assert_eq!(full.labels()[LABEL_REGION], "eu");
        assert_eq!(full.labels()[LABEL_ZONE], "a-1");
        for bad in ["", "node-1", "=a", "node-1=", "node-1=/a", "node-1=eu/", "node-1=a b", "node-1=a/b/c"] {
            assert_eq!(parse(bad), Err(ZoneError::Form(bad.to_owned())), "{bad}");
        }
        let nodes = ["node-1".to_owned()];
        assert_eq!(check(std::slice::from_ref(&simple), &nodes), Ok(()));
        assert!(matches!(check(&[simple.clone(), full], &nodes), Err(ZoneError::Twice(_))));
        assert!(matches!(check(&[simple], &["node-2".to_owned()]), Err(ZoneError::UnknownNode { .. })));
    }
}
