//! Trim: the file system on a volume gives back what it does not use.

use std::time::Duration;

use aurochs_engine::grpc::engine_v1::UnmapMarkSnapChainRemovedRequest;
use aurochs_engine::grpc::instance_v1::{FilesystemTrimReply, FilesystemTrimRequest};

use crate::events::{EventType, Events, ObjectRef, Reason};
use crate::instance::{ClientError, Clients, rpc, within};
use crate::resources::{Engine, Object, Volume};

/// A large file system on busy disks; the trim goes on after that all the same.
const TRIM_TIMEOUT: Duration = Duration::from_secs(3600);

/// Marking waits for the requests under way, and syncs a small file on each replica.
const MARK_TIMEOUT: Duration = Duration::from_secs(30);

/// What was given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trimmed {
    pub bytes: u64,
    pub mounted_at: String,
}

/// Trims the file system on the volume's device, on the node of its engine. Returns when that is done; it is not called off
/// when nobody waits any more.
pub async fn trim(
    clients: &Clients,
    events: &Events,
    volume: &Object<Volume>,
    engine: &Object<Engine>,
) -> Result<Trimmed, ClientError> {
    match run(clients, volume.name(), engine).await {
        Ok(answer) => {
            tracing::info!(volume = volume.name(), bytes = answer.trimmed_bytes, "file system trimmed");
            Ok(Trimmed { bytes: answer.trimmed_bytes, mounted_at: answer.mounted_at })
        }
        Err(error) => {
            let (about, text) = (ObjectRef::from(volume), error.to_string());
            events.emit(&about, Reason::FailedFilesystemTrim, EventType::Warning, &text);
            Err(error)
        }
    }
}

async fn run(clients: &Clients, volume: &str, engine: &Object<Engine>) -> Result<FilesystemTrimReply, ClientError> {
    let tried = || format!("trimming the file system on volume {volume}");
    if engine.status.unmap_mark_snap_chain_removed_enabled {
        let request = UnmapMarkSnapChainRemovedRequest { enabled: true, mark_now: true };
        let mut client = clients.engine(&engine.status.address)?;
        client.unmap_mark_snap_chain_removed_set(within(MARK_TIMEOUT, request)).await.map_err(rpc(tried()))?;
    }
    let request = within(TRIM_TIMEOUT, FilesystemTrimRequest { volume: volume.to_owned() });
    let answer = clients.manager(&engine.spec.node_id)?.filesystem_trim(request).await.map_err(rpc(tried()))?;
    Ok(answer.into_inner())
}
