//! Which images a target has.

use std::collections::BTreeMap;

use super::BackingImageRecord;
use crate::backup::list::Read;
use crate::backup::store::Store;
use crate::backup::{BackupError, layout, names, store_access};

/// An image of a listing.
#[derive(Debug)]
pub struct ListedImage {
    pub name: String,
    /// Changes with the record.
    pub version: String,
    /// Without its list of blocks.
    pub record: Read<BackingImageRecord>,
}

/// All images, by name. `known`: versions of records that need not be read again. What is damaged does not stop the rest.
///
/// # Errors
/// The store's.
pub async fn list(store: &Store, known: &BTreeMap<String, String>) -> Result<Vec<ListedImage>, BackupError> {
    let mut names = store.list(layout::BACKING_IMAGES).await?.directories;
    names.retain(|name| names::is_valid(name));
    names.sort_unstable();
    let mut images = Vec::new();
    for name in names {
        let path = layout::backing_image_record(&name);
        let Some(entry) = store.facts(&path).await? else { continue };
        let version = store_access::version_of(&entry);
        let record = if known.get(&name) == Some(&version) {
            Read::Unchanged
        } else {
            match BackingImageRecord::find(store, &name).await {
                Ok(Some(record)) => Read::Is(BackingImageRecord { blocks: Default::default(), ..record }),
                // It went meanwhile.
                Ok(None) => continue,
                Err(error @ BackupError::Damaged { .. }) => Read::Damaged(error),
                Err(error) => return Err(error),
            }
        };
        images.push(ListedImage { name, version, record });
    }
    Ok(images)
}
