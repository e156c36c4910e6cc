//! Trim: the file system on a volume gives back what it does not use.

use std::time::Duration;

use aurochs_engine::grpc::instance_v1::FilesystemTrimRequest;

use crate::events::{EventType, Events, ObjectRef, Reason};
use crate::instance::{ClientError, Clients, rpc, within};
use crate::resources::{Engine, Object, Volume};

/// A large file system on busy disks; the trim goes on after that all the same.
const TRIM_TIMEOUT: Duration = Duration::from_secs(3600);

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
    let request = within(TRIM_TIMEOUT, FilesystemTrimRequest { volume: volume.name().to_owned() });
    let answer = clients.manager(&engine.spec.node_id)?.filesystem_trim(request).await;
    let trimmed = answer.map_err(rpc(format!("trimming the file system on volume {}", volume.name())));
    match trimmed {
        Ok(answer) => {
            let answer = answer.into_inner();
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
