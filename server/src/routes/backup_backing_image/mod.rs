//! Backups of backing images.

pub mod delete;
pub mod restore;

use aurochs_api::backup_backing_image::{BackupBackingImage as BackupBackingImageView, BackupBackingImageRestore};

use super::shown;
use crate::nouns::Noun;
use crate::resources::BackupBackingImage;

/// Made by an action of their image.
pub fn noun() -> Noun {
    Noun::of::<BackupBackingImageView>()
        .list(shown::list::<BackupBackingImage>)
        .streamed(&["backupbackingimages"])
        .get(shown::get::<BackupBackingImage>)
        .delete(delete::handle)
        .act::<BackupBackingImageRestore, _, _>(restore::handle)
        .done()
}
