//! The backup target that is always there. Until it gets an address it is not available, and says so.

use aurochs_api::backup_target::DEFAULT;
use aurochs_api::condition::ConditionStatus;

use crate::resources::backup_target::{BackupTargetSpec, BackupTargetStatus, CONDITION_UNAVAILABLE};
use crate::resources::{BackupTarget, Object, condition};
use crate::store::{Store, StoreError};

/// Longhorn's interval, in Go's text.
const POLL_INTERVAL: &str = "5m0s";

/// Makes the default target unless it is there. What somebody changed about it stays.
pub async fn ensure_default(store: &Store) -> Result<(), StoreError> {
    if store.find::<BackupTarget>(DEFAULT).await?.is_none() {
        let spec = BackupTargetSpec { poll_interval: POLL_INTERVAL.to_owned(), ..BackupTargetSpec::default() };
        match store.create(&Object::<BackupTarget>::new(DEFAULT, spec)).await {
            Ok(_) | Err(StoreError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let stored = store.get::<BackupTarget>(DEFAULT).await?;
    if stored.spec.backup_target_url.is_empty() {
        store.modify_status::<BackupTarget>(DEFAULT, tell_empty).await?;
    }
    Ok(())
}

/// A target without an address is none.
pub(super) fn tell_empty(status: &mut BackupTargetStatus) {
    let message = "backup target URL is empty";
    condition::set(
        &mut status.conditions,
        CONDITION_UNAVAILABLE,
        ConditionStatus::True,
        CONDITION_UNAVAILABLE,
        message,
    );
    status.available = false;
    status.synced_url.clear();
    status.causes.clear();
}
