//! The audit log, for admins: to look at only.

pub mod get;
pub mod list;

use aurochs_api::audit::{Audit, AuditQuestion};

use crate::nouns::Noun;

/// Who changed what.
pub fn noun() -> Noun {
    Noun::of::<Audit>().list(list::handle).asked::<AuditQuestion>().for_admins().get(get::handle).for_admins().done()
}
