//! What the engine of a volume is asked about its restore.

use aurochs_engine::grpc::engine_v1::{BackupCredentials, BackupRestoreRequest, StatusRequest};

use super::wish::Wanted;
use crate::controllers::engine::told;
use crate::controllers::{Context, Error};
use crate::instance::{CHANGE_TIMEOUT, LOOK_TIMEOUT, rpc, within};
use crate::resources::engine::EngineStatus;
use crate::resources::{BackupTarget, Engine, Object};
use crate::settings::Name;

/// What the engine itself tells now: what is stored of it lags by a moment.
pub(super) async fn told(context: &Context, engine: &Object<Engine>) -> Result<EngineStatus, Error> {
    let address = &engine.status.address;
    let answer = context.clients.engine(address)?.status(within(LOOK_TIMEOUT, StatusRequest {})).await;
    let message = answer.map_err(rpc(format!("asking engine {} for its restore", engine.name())))?.into_inner();
    Ok(told::applied(&engine.status, &message, address))
}

/// Has the engine begin, or go on with what broke off. The inner error is a refusal.
pub(super) async fn begin(
    context: &Context,
    engine: &Object<Engine>,
    wanted: &Wanted,
    target: &Object<BackupTarget>,
) -> Result<Result<(), String>, Error> {
    let values = context.backups.credentials_of(&target.spec)?.into_iter().collect();
    let request = BackupRestoreRequest {
        target_url: target.spec.backup_target_url.clone(),
        credentials: Some(BackupCredentials { values }),
        volume: wanted.volume.clone(),
        backup: wanted.backup.clone(),
        concurrency: u32::try_from(context.settings.number(Name::RestoreConcurrentLimit)).unwrap_or_default(),
        instant: false,
    };
    let doing = format!("having engine {} restore backup {}", engine.name(), wanted.backup);
    let mut client = context.clients.engine(&engine.status.address)?;
    match client.backup_restore(within(CHANGE_TIMEOUT, request)).await.map_err(rpc(doing)) {
        Err(error) if error.is_unreachable() => Err(error.into()),
        Err(error) => Ok(Err(error.to_string())),
        Ok(_) => Ok(Ok(())),
    }
}
