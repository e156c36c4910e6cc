//! Who is logged in.

use serde::{Deserialize, Serialize};

use crate::describe::Described;

/// What a user may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything but secrets and the log of changes.
    #[default]
    Viewer,
    /// Everything.
    Admin,
}

impl Role {
    /// As it is on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }

    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Viewer, Self::Admin].into_iter().find(|role| role.word() == word)
    }
}

/// Answer of `GET /v1/session`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Session {
    pub user: String,
    /// What the user may do.
    pub role: Role,
    /// Version of the manager.
    pub version: String,
    /// Name of this installation, shown in the corner.
    pub cluster: String,
    /// What a page adds to the address of a WebSocket (`?proof=`) where a proxy changes `Host`, so that the manager knows the page
    /// for its own. Good for this login, until the manager starts again.
    pub stream_proof: String,
}
