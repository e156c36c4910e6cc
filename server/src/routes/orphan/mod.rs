//! Orphans: found by nodes, deleted by people. Deleting one deletes what it stands for.

pub mod delete;

use aurochs_api::orphan::Orphan as OrphanView;

use super::shown;
use crate::nouns::Noun;
use crate::resources::Orphan;

/// They come by themselves; Longhorn does not tell that they can be deleted.
pub fn noun() -> Noun {
    Noun::of::<OrphanView>()
        .list(shown::list::<Orphan>)
        .streamed(&["orphans"])
        .get(shown::get::<Orphan>)
        .delete_hidden(delete::handle)
        .done()
}
