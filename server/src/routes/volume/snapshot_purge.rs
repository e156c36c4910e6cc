//! `snapshotPurge`: what removed snapshots take is given back.

use aurochs_api::action::NoInput;
use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_engine::grpc::engine_v1::SnapshotPurgeRequest;

use super::action::{self, Target};
use super::engine::{self, RunningEngine};
use crate::controllers::job::keys;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::StartedBy;
use crate::settings::Name;

/// Answers with the volume when the purge has begun, or one runs already; `purgeStatus` tells how far it is.
pub async fn handle(target: Target, _: NoInput) -> Result<Resource<Volume>, ApiError> {
    let engine = RunningEngine::of(&target).await?;
    let tried = format!("purging the snapshots of volume {}", target.name);
    if target.app.settings.flag(Name::DisableSnapshotPurge) {
        let message = format_args!("{tried} is switched off by the setting disable-snapshot-purge");
        return Err(ApiError::new(
            ErrorKind::Conflict,
            message,
            "Set disable-snapshot-purge to false, then try again.",
        ));
    }
    let request = engine::request(SnapshotPurgeRequest { skip_if_in_progress: true });
    let by = StartedBy::User(target.user.clone());
    target.app.jobs.expect(keys::purge(engine.resource.name()), by);
    engine.client().snapshot_purge(request).await.map_err(|status| engine::refused(&tried, &status))?;
    tracing::info!(volume = target.name, "purging snapshots");
    action::answer(&target).await
}
