//! Backup targets: an address that can be one and is nobody else's. Their credentials are no part of them.

use aurochs_api::backup_target::BackupTargetInput;

use super::Judge;
use super::asked::Asked;
use super::review::Operation;
use crate::error::ApiError;
use crate::resources::BackupTarget;
use crate::resources::backup_target::BackupTargetSpec;
use crate::routes::backup_target::{check as rules, delete};

/// Whoever writes it knows what they do.
const BYPASS: &str = "longhorn.io/delete-backup-target-from-longhorn";

pub(super) fn complete(asked: &mut Asked<BackupTarget>) -> Result<(), ApiError> {
    if !asked.is_going() {
        asked.object.spec = judged(asked)?;
    }
    Ok(())
}

pub(super) async fn check(judge: &Judge, asked: &Asked<BackupTarget>) -> Result<(), ApiError> {
    let (target, store) = (&asked.object, &judge.store);
    if asked.operation == Operation::Delete {
        let is_let = target.is_deleting() || target.metadata.annotations.contains_key(BYPASS);
        return if is_let { Ok(()) } else { delete::check(store, target.name()).await };
    }
    let before = asked.before.as_ref().map(|before| before.spec.backup_target_url.as_str());
    let url = target.spec.backup_target_url.as_str();
    if asked.is_going() || before == Some(url) {
        return Ok(());
    }
    judged(asked)?;
    rules::is_alone(store, target.name(), url).await?;
    match before {
        Some(_) => rules::nobody_follows(store, target.name(), "giving another address to").await,
        None => Ok(()),
    }
}

fn judged(asked: &Asked<BackupTarget>) -> Result<BackupTargetSpec, ApiError> {
    let spec = &asked.object.spec;
    let input = BackupTargetInput {
        name: asked.object.name().to_owned(),
        backup_target_url: spec.backup_target_url.clone(),
        credential_secret: spec.credential_secret.clone(),
        // In a manifest it may be left out.
        poll_interval: if spec.poll_interval.is_empty() { "0".to_owned() } else { spec.poll_interval.clone() },
        credentials: None,
    };
    let found = rules::found(asked.object.name(), &input)?;
    Ok(BackupTargetSpec { sync_requested_at: spec.sync_requested_at.clone(), ..found })
}
