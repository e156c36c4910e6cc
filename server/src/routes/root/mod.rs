//! What the API consists of: versions, collections, schemas.

pub mod openapi;
pub mod schemas;
pub mod versions;

use aurochs_api::schema::ErrorBody;
use aurochs_api::session::Session;

use crate::nouns::Noun;
use crate::nouns::schema::{ApiVersion, Schema};

/// The types of the API are listed like everything else.
pub fn noun() -> Noun {
    Noun::of::<Schema>()
        .list(schemas::list)
        .get(schemas::get)
        .with::<ApiVersion>()
        .with::<ErrorBody>()
        .with::<Session>()
        .done()
}
