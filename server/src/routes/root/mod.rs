//! What the API consists of: versions, collections, schemas.

pub mod openapi;
pub mod schemas;
pub mod versions;

use crate::nouns::Noun;

/// The types of the API are listed like everything else.
pub fn noun() -> Noun {
    Noun::raw("schema").list(schemas::list).get(schemas::get).done()
}
