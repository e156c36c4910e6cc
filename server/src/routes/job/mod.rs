//! Jobs: everything that takes long, now and before.

pub mod cancel;
pub mod get;
pub mod list;
mod query;

use aurochs_api::job::{Cancel, Job, JobQuestion};

use crate::nouns::Noun;

/// Ours; Longhorn has no such list.
pub fn noun() -> Noun {
    Noun::of::<Job>()
        .list(list::handle)
        .asked::<JobQuestion>()
        .streamed(&["jobs"])
        .get(get::handle)
        .act::<Cancel, _, _>(cancel::handle)
        .done()
}
