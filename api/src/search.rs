//! One search over everything that has a name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::describe::Described;

/// The query of `GET /v1/search`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "searchQuestion")]
pub struct SearchQuestion {
    /// Words, in any case and order; each has to be in the name, a label or another text of what is found.
    pub q: String,
    /// Only these types, with commas between them: `volume,snapshot`. Empty for all.
    pub kind: String,
    /// How many results; 20 when it is left out, at most 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What was found, the likeliest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "search")]
pub struct Search {
    pub q: String,
    /// How many there are, also those that are not listed.
    pub total: u64,
    /// The same by type, of the types that were searched.
    #[schema(as = "map[string]")]
    pub counts: BTreeMap<String, u64>,
    pub results: Vec<Found>,
}

/// A result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "searchResult")]
pub struct Found {
    pub kind: FoundKind,
    /// Of its own type; of a disk `<node>/<disk>`.
    pub name: String,
    /// How it is, and where: a line.
    pub context: String,
    /// What of it has the words where the name has not: `pod web-0`, `label app=shop`.
    pub matched: String,
    /// Address of the thing, or of the one that it is part of.
    pub address: String,
    /// Name of the volume or node that it belongs to; empty for what stands alone.
    pub owner: String,
}

/// What can be found. The words are those of the types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FoundKind {
    #[default]
    Volume,
    Node,
    Disk,
    Snapshot,
    Backup,
    RecurringJob,
    Setting,
    EngineImage,
    BackingImage,
    Orphan,
}

impl FoundKind {
    pub const ALL: [Self; 10] = [
        Self::Volume,
        Self::Node,
        Self::Disk,
        Self::Snapshot,
        Self::Backup,
        Self::RecurringJob,
        Self::Setting,
        Self::EngineImage,
        Self::BackingImage,
        Self::Orphan,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Node => "node",
            Self::Disk => "disk",
            Self::Snapshot => "snapshot",
            Self::Backup => "backup",
            Self::RecurringJob => "recurringJob",
            Self::Setting => "setting",
            Self::EngineImage => "engineImage",
            Self::BackingImage => "backingImage",
            Self::Orphan => "orphan",
        }
    }

    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word))
    }
}

crate::actions! { Search {} }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_on_the_wire() {
        for kind in FoundKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
            assert_eq!(FoundKind::of_word(&kind.word().to_uppercase()), Some(kind));
        }
        assert_eq!(FoundKind::ALL.len(), FoundKind::OPTIONS.len());
    }
}
