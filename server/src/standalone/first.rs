//! What a new installation begins with, beside the defaults.

use super::Layout;
use crate::resources::setting::SettingSpec;
use crate::resources::{Object, Setting};
use crate::settings::Name;
use crate::store::{Store, StoreError};

/// Default disks lie in the data directory, each node's in a directory of its own; the setting says so from the start.
pub(super) async fn settings(store: &Store, layout: &Layout) -> Result<(), StoreError> {
    let spec = SettingSpec { value: layout.node_directories().to_string_lossy().into_owned() };
    match store.create(&Object::<Setting>::new(Name::DefaultDataPath.word(), spec)).await {
        Err(StoreError::AlreadyExists { .. }) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}
