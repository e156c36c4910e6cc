//! The envelope of Longhorn's API: resource header, collection, error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::describe::Described;

/// Plural of a type as it stands in URLs: `instanceManager` → `instancemanagers`.
#[must_use]
pub fn plural(kind: &str) -> String {
    let ending = if kind.ends_with('s') || kind.ends_with("ch") || kind.ends_with('x') { "es" } else { "s" };
    format!("{kind}{ending}").to_lowercase()
}

/// A resource with its header. Keys of the resource itself are beside the header's on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resource<T> {
    #[serde(default)]
    pub id: String,
    #[serde(rename = "type", default)]
    pub kind: String,
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// Always an object, `{}` when nothing is offered: Longhorn's UI breaks on null.
    #[serde(default)]
    pub actions: BTreeMap<String, String>,
    #[serde(flatten)]
    pub data: T,
}

/// Answer of a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collection<T> {
    #[serde(rename = "type", default)]
    pub kind: String,
    #[serde(default)]
    pub resource_type: String,
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub create_types: Option<BTreeMap<String, String>>,
    /// Where only a part is answered. Ours: Longhorn's lists are whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pagination: Option<Pagination>,
    pub data: Vec<T>,
}

/// Which part of a list it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pagination {
    /// The most that are answered at once.
    pub limit: u32,
    /// There is more.
    pub partial: bool,
    /// Address of the next part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Nothing but the header: what some deletions answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
pub struct Empty {}

/// Body of every answer that is not 2xx.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "error")]
pub struct ErrorBody {
    /// `error`.
    #[serde(rename = "type")]
    pub kind: String,
    pub status: u16,
    /// Standard text of the status, such as `Not Found`.
    pub code: String,
    /// What was tried and why it failed. The only key that Longhorn's own UI shows.
    pub message: String,
    /// Longhorn leaves it empty; ours says what to do next.
    pub detail: String,
    pub links: BTreeMap<String, String>,
    pub actions: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_of_longhorn() {
        for (kind, wanted) in [
            ("volume", "volumes"),
            ("instanceManager", "instancemanagers"),
            ("empty", "emptys"),
            ("backupStatus", "backupstatuses"),
        ] {
            assert_eq!(plural(kind), wanted);
        }
    }
}
