//! Backing images.

pub mod back_up;
pub mod cleanup;
pub mod create;
pub mod delete;
pub mod download;
pub mod update_min_number_of_copies;
pub mod upload;

use aurochs_api::backing_image::{
    BackingImage as BackingImageView, BackingImageCleanup, BackingImageCreateInput, BackupBackingImageCreate,
    UpdateMinNumberOfCopies, Upload,
};
use axum::http::Method;

use super::shown;
use crate::nouns::Noun;
use crate::resources::BackingImage;

/// Who may look at images may not therefore read what is in them: a download is for admins, and in the audit log.
pub fn noun() -> Noun {
    Noun::of::<BackingImageView>()
        .list(shown::list::<BackingImage>)
        .streamed(&["backingimages"])
        .create::<BackingImageCreateInput, _>(create::handle)
        .get(shown::get::<BackingImage>)
        .delete(delete::handle)
        .route(Method::GET, "/{name}/download", download::handle)
        .that_changes()
        .act::<BackingImageCleanup, _, _>(cleanup::handle)
        .act_streaming::<Upload, _, _>(upload::handle)
        .act::<BackupBackingImageCreate, _, _>(back_up::handle)
        .act::<UpdateMinNumberOfCopies, _, _>(update_min_number_of_copies::handle)
        .done()
}
