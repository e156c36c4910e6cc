//! The backup target `default` of the release: `longhorn-default-resource`.

use aurochs_api::backup_target::{BackupTargetInput, DEFAULT};

use super::{BACKUP_TARGET, Error, Said, TAKEN};
use crate::controllers::backup_target::ensure_default;
use crate::error::ApiError;
use crate::resources::backup_target::BackupTargetSpec;
use crate::resources::{BackupTarget, Object};
use crate::routes::backup_target::check;
use crate::store::Store;

/// Gives the target what is said of it, once for each version of the ConfigMap; what is not said of it stays.
pub(super) async fn take(store: &Store, said: &Said) -> Result<(), Error> {
    let mut entries = said.entries(BACKUP_TARGET);
    if entries.is_empty() {
        return Ok(());
    }
    ensure_default(store).await?;
    let target = store.get::<BackupTarget>(DEFAULT).await?;
    if target.metadata.annotations.get(TAKEN) == Some(&said.version) {
        return Ok(());
    }
    let mut entry = |name: &str, before: &str| entries.remove(name).unwrap_or_else(|| before.to_owned());
    let input = BackupTargetInput {
        name: DEFAULT.to_owned(),
        backup_target_url: entry("backup-target", &target.spec.backup_target_url),
        credential_secret: entry("backup-target-credential-secret", &target.spec.credential_secret),
        poll_interval: entry("backupstore-poll-interval", &target.spec.poll_interval),
        credentials: None,
    };
    let spec = match checked(store, &target, &input).await {
        Ok(spec) => spec,
        Err(refused) => {
            tracing::warn!("the release's backup target is left out: {}", refused.message);
            return Ok(());
        }
    };
    let taken = store.modify::<BackupTarget>(DEFAULT, |target| {
        let asked_for = std::mem::take(&mut target.spec.sync_requested_at);
        target.spec = spec.clone();
        target.spec.sync_requested_at = asked_for;
        target.metadata.annotations.insert(TAKEN.to_owned(), said.version.clone());
    });
    taken.await?;
    Ok(())
}

/// As if the API was asked for it.
async fn checked(
    store: &Store,
    target: &Object<BackupTarget>,
    input: &BackupTargetInput,
) -> Result<BackupTargetSpec, ApiError> {
    let spec = check::found(DEFAULT, input)?;
    if spec.backup_target_url != target.spec.backup_target_url {
        check::is_alone(store, DEFAULT, &spec.backup_target_url).await?;
        check::nobody_follows(store, DEFAULT, "giving another address to").await?;
    }
    Ok(spec)
}
