//! The running engine of a volume, as the snapshot actions need it.

use std::collections::BTreeMap;
use std::time::Duration;

use aurochs_api::snapshot::Snapshot;
use aurochs_engine::grpc::engine_v1::engine_client::EngineClient;
use aurochs_engine::grpc::engine_v1::{Snapshot as EngineSnapshot, StatusRequest};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::action::{self, Target};
use crate::app::App;
use crate::error::{ApiError, ErrorKind};
use crate::resources::engine::InstanceState;
use crate::resources::{Engine, LABEL_VOLUME, Object};
use crate::store::Store;

/// A snapshot is a barrier: a mounted file system is synced, requests in flight end, files are made and synced on every
/// replica. Slow disks need time; the answer to the client has to go out before the limit of requests.
const CALL_TIMEOUT: Duration = Duration::from_secs(50);
/// What the engine has is told at once; a replica is asked for sizes.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// The engine tells its new state within a quarter of a second; past this the client gets the answer without it.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(5);
const EFFECT_LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A running engine with a client for it.
#[derive(Debug)]
pub(crate) struct RunningEngine {
    pub(crate) resource: Object<Engine>,
    client: EngineClient<Channel>,
}

impl RunningEngine {
    /// The engine of the volume; 409 while none runs.
    pub(crate) async fn of(target: &Target) -> Result<Self, ApiError> {
        let volume = action::volume(target).await?;
        Self::find(&target.app, volume.name()).await?.ok_or_else(|| {
            let message = format_args!("volume {} is not attached, so its snapshots can't be reached", volume.name());
            ApiError::new(ErrorKind::Conflict, message, "Attach it, then try again.")
        })
    }

    /// The engine of the volume; none while none runs.
    pub(crate) async fn find(app: &App, volume: &str) -> Result<Option<Self>, ApiError> {
        let engines = app.store.list_labelled::<Engine>(LABEL_VOLUME, volume).await?;
        let running = engines
            .into_iter()
            .find(|engine| engine.status.current_state == InstanceState::Running && !engine.status.address.is_empty());
        let Some(resource) = running else { return Ok(None) };
        let address = &resource.status.address;
        let client = app.clients.engine(address).map_err(|error| ApiError::internal("reaching the engine", error))?;
        Ok(Some(Self { resource, client }))
    }

    pub(crate) fn client(&self) -> EngineClient<Channel> {
        self.client.clone()
    }

    /// 409 when its device is mounted on its node: whoever takes it away then loses what is in memory.
    ///
    /// An engine that is gone has no device to protect. One that is there and does not say is believed to be mounted: it
    /// may well be.
    pub(crate) async fn check_not_mounted(&self, next_step: fn(&str) -> String) -> Result<(), ApiError> {
        let volume = &self.resource.spec.volume_name;
        let conflict = |why: String, place: &str| {
            let message = format_args!("volume {volume} is in use: {why}");
            Err(ApiError::new(ErrorKind::Conflict, message, next_step(place)))
        };
        match self.client().status(request(StatusRequest {})).await {
            Ok(status) => match status.into_inner().mounted_at.first() {
                Some(place) => conflict(format!("its file system is mounted at {place}"), place),
                None => Ok(()),
            },
            Err(status) if status.code() == Code::Unavailable => Ok(()),
            Err(status) => {
                let why = format!("its engine runs and can't tell where it is mounted ({})", status.message());
                conflict(why, "its mount point")
            }
        }
    }

    /// All layers by name, as the engine has them now: in the resource sizes are written seldom, and on a busy machine it
    /// may lack what a client has just made. When the engine does not answer, what the resource has.
    pub(crate) async fn snapshots(&self) -> Result<BTreeMap<String, Snapshot>, ApiError> {
        let mut asked = Request::new(StatusRequest {});
        asked.set_timeout(LOOK_TIMEOUT);
        match self.client().status(asked).await {
            Ok(told) => {
                Ok(told.into_inner().snapshots.into_iter().map(|one| (one.name.clone(), to_api(one))).collect())
            }
            Err(_) if !self.resource.status.snapshots.is_empty() => Ok(self.resource.status.snapshots.clone()),
            Err(status) => {
                let tried = format!("looking at the snapshots of volume {}", self.resource.spec.volume_name);
                Err(refused(&tried, &status))
            }
        }
    }

    /// The snapshot, or 404.
    pub(crate) async fn snapshot(&self, name: &str) -> Result<Snapshot, ApiError> {
        self.snapshots().await?.remove(name).ok_or_else(|| {
            let message = format_args!("volume {} has no snapshot named {name:?}", self.resource.spec.volume_name);
            ApiError::new(ErrorKind::NotFound, message, "snapshotList tells their names.")
        })
    }

    /// Waits until the engine's resource shows what was done, so that the client's next read does, too. Gives up
    /// silently: the thing is done all the same.
    pub(crate) async fn wait_for(&self, store: &Store, shows: impl Fn(&Object<Engine>) -> bool + Send) {
        let name = self.resource.name();
        // A read costs a look into memory, and is what the client's next request does. A watch lists all engines first, in a
        // store that may be a moment ahead of what reads see.
        let seen = async {
            while !store.find::<Engine>(name).await.is_ok_and(|engine| engine.is_some_and(|engine| shows(&engine))) {
                tokio::time::sleep(EFFECT_LOOK_INTERVAL).await;
            }
        };
        if tokio::time::timeout(EFFECT_TIMEOUT, seen).await.is_err() {
            tracing::warn!(engine = name, "the engine's resource does not show a change that the engine has made");
        }
    }
}

/// A message with the deadline of an engine call.
pub(crate) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

/// The engine's refusal in HTTP's words.
pub(crate) fn refused(tried: &str, status: &Status) -> ApiError {
    let (kind, next_step) = match status.code() {
        Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => {
            (ErrorKind::Conflict, "Bring the volume into the state that is asked for, then try again.")
        }
        Code::NotFound => (ErrorKind::NotFound, "snapshotList tells the names of the snapshots."),
        Code::InvalidArgument | Code::OutOfRange => (ErrorKind::Invalid, "Correct the value and try again."),
        Code::DeadlineExceeded | Code::Cancelled => {
            (ErrorKind::Timeout, "It may still be done; look at the snapshots before trying again.")
        }
        Code::ResourceExhausted => (ErrorKind::Conflict, "Delete snapshots that are not needed, then try again."),
        _ => (ErrorKind::Unavailable, "Look at the volume's state; try again when it is attached and healthy."),
    };
    ApiError::new(kind, format_args!("{tried}: {}", status.message()), next_step)
}

/// The engine's snapshot in the API's shape.
pub(crate) fn to_api(snapshot: EngineSnapshot) -> Snapshot {
    Snapshot {
        name: snapshot.name,
        parent: snapshot.parent,
        children: snapshot.children.into_iter().collect(),
        removed: snapshot.removed,
        usercreated: snapshot.user_created,
        created: snapshot.created,
        size: aurochs_api::size::ByteSize(snapshot.size_bytes),
        labels: Some(snapshot.labels.into_iter().collect()),
        checksum: String::new(),
        image_missing: snapshot.image_missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_no_server_errors() {
        for (code, kind) in [
            (Code::FailedPrecondition, ErrorKind::Conflict),
            (Code::NotFound, ErrorKind::NotFound),
            (Code::InvalidArgument, ErrorKind::Invalid),
            (Code::DeadlineExceeded, ErrorKind::Timeout),
            (Code::Unavailable, ErrorKind::Unavailable),
        ] {
            let error = refused("taking a snapshot of data", &Status::new(code, "because"));
            assert_eq!(error.kind, kind);
            assert!(error.message.contains("taking a snapshot of data: because"));
        }
    }
}
