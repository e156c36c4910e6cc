//! Backing images.

pub mod create;
pub mod delete;
pub mod download;
pub mod update_min_number_of_copies;

use aurochs_api::backing_image::{
    BackingImage as BackingImageView, BackingImageCleanup, BackingImageCreateInput, BackupBackingImageCreate,
    UpdateMinNumberOfCopies, Upload,
};
use axum::http::Method;

use super::shown;
use crate::feature::Feature;
use crate::nouns::Noun;
use crate::resources::BackingImage;

/// Uploads, downloads of the file and cleaning up are still to come.
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
        .act_later::<BackupBackingImageCreate>(Feature::Backups)
        .act::<UpdateMinNumberOfCopies, _, _>(update_min_number_of_copies::handle)
        .done()
}
