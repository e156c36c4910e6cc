//! Where backups of a volume go.

use super::action::invalid;
use crate::error::ApiError;
use crate::resources::{BackupTarget, Object};
use crate::store::Store;

/// A target that there is not is a misspelling.
pub(super) async fn check(store: &Store, name: &str) -> Result<(), ApiError> {
    if store.find::<BackupTarget>(name).await?.is_some() {
        return Ok(());
    }
    let targets = store.list::<BackupTarget>().await?;
    let names: Vec<&str> = targets.iter().map(Object::name).collect();
    let message = format_args!("there is no backup target named {name:?}");
    Err(invalid(message, format_args!("Give backupTargetName one of: {}.", names.join(", "))))
}
