//! Who is logged in.

use serde::{Deserialize, Serialize};

use crate::describe::Described;

/// Answer of `GET /v1/session`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    pub user: String,
    /// Version of the manager.
    pub version: String,
    /// Name of this installation, shown in the corner.
    pub cluster: String,
}
