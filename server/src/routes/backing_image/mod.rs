//! Backing images. None can be made yet.

pub mod create;
pub mod delete;
pub mod download;

use aurochs_api::backing_image::{
    BackingImage as BackingImageView, BackingImageCleanup, BackingImageCreateInput, BackupBackingImageCreate,
    UpdateMinNumberOfCopies, Upload,
};
use axum::http::Method;

use super::shown;
use crate::feature::Feature;
use crate::nouns::Noun;
use crate::resources::BackingImage;

/// What there is was left by others; it is shown, and not touched.
pub fn noun() -> Noun {
    Noun::of::<BackingImageView>()
        .list(shown::list::<BackingImage>)
        .streamed(&["backingimages"])
        .create::<BackingImageCreateInput, _>(create::handle)
        .get(shown::get::<BackingImage>)
        .delete(delete::handle)
        .route(Method::GET, "/{name}/download", download::handle)
        .act_later::<BackingImageCleanup>(Feature::BackingImages)
        .act_later::<Upload>(Feature::BackingImages)
        .act_later::<BackupBackingImageCreate>(Feature::BackingImages)
        .act_later::<UpdateMinNumberOfCopies>(Feature::BackingImages)
        .done()
}
