//! A keeper of control records behind the instance manager's gRPC.

use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Code, Status};

use super::instance_v1::instance_manager_client::InstanceManagerClient;
use super::instance_v1::{RecordCompareAndSetRequest, RecordGetRequest};
use crate::volume::record::{Epoch, Generation, Keeper, KeeperError, Record};

/// One question to the keeper; the engine asks again when it runs out.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the node's instance manager.
pub struct InstanceManagerKeeper {
    client: InstanceManagerClient<Channel>,
}

impl InstanceManagerKeeper {
    /// `channel` may connect lazily: it finds a restarted instance manager again by itself.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { client: super::connect::instance_manager(channel) }
    }
}

fn unavailable(status: &Status) -> KeeperError {
    KeeperError::Unavailable(status.message().to_owned())
}

async fn in_time<T>(
    call: impl Future<Output = Result<tonic::Response<T>, Status>> + Send,
) -> Result<tonic::Response<T>, Status> {
    let timed_out = || Status::deadline_exceeded(format!("no answer within {} s", TIMEOUT.as_secs()));
    tokio::time::timeout(TIMEOUT, call).await.unwrap_or_else(|_| Err(timed_out()))
}

impl Keeper for InstanceManagerKeeper {
    fn get<'a>(
        &'a self,
        volume: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Record, KeeperError>> + Send + 'a>> {
        Box::pin(async move {
            let mut client = self.client.clone();
            let request = RecordGetRequest { volume: volume.to_owned() };
            let reply = in_time(client.record_get(request)).await.map_err(|status| unavailable(&status))?;
            let record = reply.into_inner().record.ok_or_else(|| KeeperError::Missing(volume.to_owned()))?;
            Ok(record.into())
        })
    }

    fn compare_and_set<'a>(
        &'a self,
        epoch: Epoch,
        generation: Generation,
        next: &'a Record,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), KeeperError>> + Send + 'a>> {
        Box::pin(async move {
            let mut client = self.client.clone();
            let request = RecordCompareAndSetRequest {
                expected_epoch: epoch.0,
                expected_generation: generation.0,
                next: Some(next.clone().into()),
            };
            match in_time(client.record_compare_and_set(request)).await {
                Ok(_) => Ok(()),
                Err(status) if status.code() == Code::Aborted => {
                    let now = self.get(&next.volume).await?;
                    // An answer that got lost on the way: the change is there, it was ours.
                    if now == *next {
                        return Ok(());
                    }
                    let volume = next.volume.clone();
                    Err(KeeperError::Conflict { volume, found: now.epoch, generation: now.generation })
                }
                Err(status) => Err(unavailable(&status)),
            }
        })
    }
}
