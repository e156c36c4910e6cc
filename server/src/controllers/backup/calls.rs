//! What the engine of a volume is asked about a backup.

use std::time::Duration;

use aurochs_engine::grpc::engine_v1::{
    BackupCreateRequest, BackupCredentials, BackupMode as Mode, BackupNameRequest, BackupStatus, StatusRequest,
};
use tonic::Code;

use crate::controllers::volume::family;
use crate::controllers::{Context, Error};
use crate::instance::{CHANGE_TIMEOUT, ClientError, LOOK_TIMEOUT, rpc, within};
use crate::resources::backup::BackupMode;
use crate::resources::{BackingImage, Backup, BackupTarget, Engine, Object, Volume};
use crate::settings::Name;

/// What is under way when a cancel comes is ended first; each request to the store ends within its own limit.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(150);

/// The engine of the volume, while it can be asked.
pub(super) async fn engine(context: &Context, volume: &str) -> Result<Option<Object<Engine>>, Error> {
    let found = context.store.find::<Engine>(&family::engine_name(volume)).await?;
    Ok(found.filter(family::can_be_asked))
}

/// What the engine itself tells of the backup now; none when it knows of none of this name.
pub(super) async fn told(
    context: &Context,
    engine: &Object<Engine>,
    backup: &str,
) -> Result<Option<BackupStatus>, Error> {
    let doing = format!("asking engine {} for backup {backup}", engine.name());
    let answer = context.clients.engine(&engine.status.address)?.status(within(LOOK_TIMEOUT, StatusRequest {})).await;
    let status = answer.map_err(rpc(doing))?.into_inner();
    Ok(status.backups.into_iter().rev().find(|one| one.backup == backup))
}

/// Has the engine begin, or go on with what broke off. The inner error is a refusal.
pub(super) async fn begin(
    context: &Context,
    engine: &Object<Engine>,
    backup: &Object<Backup>,
    volume: &Object<Volume>,
    target: &Object<BackupTarget>,
) -> Result<Result<BackupStatus, String>, Error> {
    let image = match volume.spec.backing_image.as_str() {
        "" => None,
        image => context.store.find::<BackingImage>(image).await?,
    };
    let values = context.backups.credentials_of(&target.spec)?.into_iter().collect();
    let block_size = backup.spec.backup_block_size.parse::<u64>().unwrap_or(volume.spec.backup_block_size.bytes());
    let request = BackupCreateRequest {
        backup: backup.name_in_target().to_owned(),
        snapshot: backup.spec.snapshot_name.clone(),
        target_url: target.spec.backup_target_url.clone(),
        credentials: Some(BackupCredentials { values }),
        compression: volume.spec.backup_compression_method.word().to_owned(),
        block_size_bytes: block_size,
        mode: match backup.spec.backup_mode {
            BackupMode::Full => Mode::Full.into(),
            BackupMode::Incremental => Mode::Incremental.into(),
        },
        labels: backup.spec.labels.clone().into_iter().collect(),
        backing_image: volume.spec.backing_image.clone(),
        backing_image_checksum: image.map(|image| image.status.checksum).unwrap_or_default(),
        storage_class: String::new(),
        concurrency: u32::try_from(context.settings.number(Name::BackupConcurrentLimit)).unwrap_or_default(),
        volume: backup.volume().to_owned(),
    };
    let doing = format!("having engine {} back up snapshot {}", engine.name(), backup.spec.snapshot_name);
    let mut client = context.clients.engine(&engine.status.address)?;
    let begun = client.backup_create(within(CHANGE_TIMEOUT, request)).await.map_err(rpc(doing));
    refusal(begun.map(tonic::Response::into_inner))
}

/// Returns when it does not run any more in that engine.
pub(super) async fn cancel(context: &Context, engine: &Object<Engine>, backup: &str) -> Result<(), Error> {
    let doing = format!("ending backup {backup} in engine {}", engine.name());
    let request = BackupNameRequest { backup: backup.to_owned() };
    let ended = context.clients.engine(&engine.status.address)?.backup_cancel(within(CANCEL_TIMEOUT, request)).await;
    match ended {
        Err(status) if status.code() == Code::NotFound => Ok(()),
        ended => Ok(ended.map(drop).map_err(rpc(doing))?),
    }
}

/// Tells a refusal from a failure to ask.
fn refusal<T>(answer: Result<T, ClientError>) -> Result<Result<T, String>, Error> {
    match answer {
        Err(error) if error.is_unreachable() => Err(error.into()),
        Err(error) => Ok(Err(error.to_string())),
        Ok(answer) => Ok(Ok(answer)),
    }
}
