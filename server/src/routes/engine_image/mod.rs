//! Engine images: the version of the engine that is installed.

pub mod create;
pub mod delete;

use aurochs_api::engine_image::{EngineImage as EngineImageView, EngineImageCreateInput};

use super::shown;
use crate::nouns::Noun;
use crate::resources::EngineImage;

/// The installed one is there by itself.
pub fn noun() -> Noun {
    Noun::of::<EngineImageView>()
        .list(shown::list::<EngineImage>)
        .streamed(&["engineimages"])
        .create::<EngineImageCreateInput, _>(create::handle)
        .get(shown::get::<EngineImage>)
        .delete(delete::handle)
        .done()
}
