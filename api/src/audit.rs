//! The audit log: who changed what, from where, and how it ended. Ours; Longhorn has no such thing.

use serde::{Deserialize, Serialize};

use crate::describe::Described;

/// The query of `GET /v1/audits`. Empty fields ask for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[schema(id = "auditQuestion")]
pub struct AuditQuestion {
    pub user: String,
    pub object_type: String,
    pub object: String,
    pub action: String,
    pub result: String,
    /// Those that were asked for at this time or later, RFC 3339.
    pub from: String,
    /// Those that were asked for before this time.
    pub to: String,
    /// How many on a page: 100 when it is left out, at most 1000.
    pub limit: String,
    /// Number of the entry that ended the page before; `pagination.next` has it.
    pub marker: String,
}

/// One entry. Nothing of it changes any more once there is a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Audit {
    /// When it was asked for, RFC 3339 in UTC. The entry was on the disk before it was begun.
    pub begun_at: String,
    /// When it was answered; empty while it is under way, and where nobody knows.
    pub ended_at: String,
    /// Empty for nobody that is known.
    pub user: String,
    /// The user's role at that time; empty where there was none.
    #[schema(options("", "admin", "viewer"))]
    pub role: String,
    /// The client's address; empty for what was done on the manager's own machine.
    pub address: String,
    /// HTTP's method; empty for logins and for changes of the users' files.
    pub method: String,
    /// Address that was asked, without its query.
    pub path: String,
    /// Action of the thing, or `login`, `logout`, `users`.
    pub action: String,
    /// Type of the thing: `volume`.
    pub object_type: String,
    /// Name of the thing.
    pub object: String,
    /// Body of the request, without secrets and cut to two kilobytes.
    pub input: String,
    /// `unknown`: it is under way, or the manager ended meanwhile. `cutOff`: there was no answer, what was begun may have gone
    /// on.
    #[schema(options("done", "refused", "failed", "cutOff", "unknown"))]
    pub result: String,
    /// HTTP's status of the answer; 0 where there was none.
    pub status: u16,
    /// Why it was not done; empty when it was.
    pub message: String,
    /// Ties it to the lines in the manager's log, and to the header `x-request-id` of the answer.
    pub request_id: String,
}

crate::actions! { Audit {} }
