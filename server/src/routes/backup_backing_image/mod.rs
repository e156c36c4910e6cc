//! Backups of backing images. None can be made yet.

pub mod delete;

use aurochs_api::backup_backing_image::{BackupBackingImage as BackupBackingImageView, BackupBackingImageRestore};

use super::shown;
use crate::feature::Feature;
use crate::nouns::Noun;
use crate::resources::BackupBackingImage;

/// What there is was left by others; it is shown, and not touched.
pub fn noun() -> Noun {
    Noun::of::<BackupBackingImageView>()
        .list(shown::list::<BackupBackingImage>)
        .streamed(&["backupbackingimages"])
        .get(shown::get::<BackupBackingImage>)
        .delete(delete::handle)
        .act_later::<BackupBackingImageRestore>(Feature::BackingImages)
        .done()
}
