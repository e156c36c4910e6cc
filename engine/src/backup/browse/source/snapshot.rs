//! A snapshot of a running volume, through its engine.

use std::io;
use std::time::Duration;

use tokio::runtime::Handle;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::grpc::engine_v1::engine_client::EngineClient;
use crate::grpc::engine_v1::{SnapshotReadAtReply, SnapshotReadAtRequest};

use super::super::cache::ReadAt;

/// For one piece. Disks that are slower than that are told as what they are.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Pieces are asked for once more when the engine was away for a moment.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// One snapshot, by its name.
pub struct SnapshotSource {
    runtime: Handle,
    client: EngineClient<Channel>,
    volume: String,
    snapshot: String,
    created: String,
    size: u64,
}

impl SnapshotSource {
    /// Asks the engine for the snapshot. [`ReadAt::read_at`] blocks: it is to be called outside of the runtime's own
    /// threads, as [`tokio::task::spawn_blocking`] does.
    ///
    /// # Errors
    /// The engine's refusal: there is no such snapshot, or it does not answer.
    pub async fn open(client: EngineClient<Channel>, volume: &str, snapshot: &str) -> Result<Self, Status> {
        let (runtime, volume, snapshot) = (Handle::current(), volume.to_owned(), snapshot.to_owned());
        let mut source = Self { runtime, client, volume, snapshot, created: String::new(), size: 0 };
        let facts = source.ask(0, 0).await?;
        (source.size, source.created) = (facts.size_bytes, facts.created);
        Ok(source)
    }

    async fn ask(&self, offset: u64, length: u32) -> Result<SnapshotReadAtReply, Status> {
        let (volume, name) = (self.volume.clone(), self.snapshot.clone());
        let mut tried = 0;
        loop {
            let message = SnapshotReadAtRequest { volume: volume.clone(), name: name.clone(), offset, length };
            let mut request = Request::new(message);
            request.set_timeout(CALL_TIMEOUT);
            tried += 1;
            match self.client.clone().snapshot_read_at(request).await {
                Err(status) if status.code() == Code::Unavailable && tried < TRIES => tokio::time::sleep(PAUSE).await,
                answer => return answer.map(tonic::Response::into_inner),
            }
        }
    }
}

impl ReadAt for SnapshotSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let length = u32::try_from(buffer.len()).map_err(io::Error::other)?;
        let answer = self.runtime.block_on(self.ask(offset, length));
        let answer = answer.map_err(|status| io::Error::other(status.message().to_owned()))?;
        if answer.created != self.created || answer.size_bytes != self.size {
            let message = format!("snapshot {} was replaced by another one of this name", self.snapshot);
            return Err(io::Error::other(message));
        }
        if answer.data.len() != buffer.len() {
            let message = format!("the engine gave {} bytes where {length} were asked for", answer.data.len());
            return Err(io::Error::other(message));
        }
        buffer.copy_from_slice(&answer.data);
        Ok(())
    }
}
