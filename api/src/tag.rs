//! Tags of nodes and disks: what selectors of volumes can ask for.

use serde::{Deserialize, Serialize};

use crate::describe::Described;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagType {
    #[default]
    Node,
    Disk,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tag {
    pub name: String,
    pub tag_type: TagType,
}

crate::actions! { Tag {} }
