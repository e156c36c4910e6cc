//! Control records (SAFETY.md): who has all of a volume's data. Any instance manager has any volume's record, in the files of the
//! machine or from the API server of the cluster, so the first that answers is asked.

use std::error::Error as _;

use aurochs_engine::grpc::instance_v1::instance_manager_client::InstanceManagerClient;
use aurochs_engine::grpc::instance_v1::{Record, RecordCompareAndSetRequest, RecordGetRequest};
use tonic::transport::Channel;

use super::{ClientError, Clients, LOOK_TIMEOUT, rpc, within};

/// The record, `None` when the volume never had one.
pub async fn get(clients: &Clients, volume: &str) -> Result<Option<Record>, ClientError> {
    first_answer(clients, volume, "read", |mut manager| {
        let request = within(LOOK_TIMEOUT, RecordGetRequest { volume: volume.to_owned() });
        async move { Ok(manager.record_get(request).await?.into_inner().record) }
    })
    .await
}

/// Replaces the record if it still is `seen` (`None`: if there is none). Epoch and generation of `next` are the
/// caller's business. Answers with the record as stored.
pub async fn compare_and_set(clients: &Clients, seen: Option<&Record>, next: Record) -> Result<Record, ClientError> {
    let volume = next.volume.clone();
    let request = RecordCompareAndSetRequest {
        expected_epoch: seen.map_or(0, |record| record.epoch),
        expected_generation: seen.map_or(0, |record| record.generation),
        next: Some(next.clone()),
    };
    let stored = first_answer(clients, &volume, "changed", |mut manager| {
        let request = within(LOOK_TIMEOUT, request.clone());
        async move { Ok(manager.record_compare_and_set(request).await?.into_inner().record) }
    })
    .await?;
    Ok(stored.unwrap_or(next))
}

/// Removes the record of a deleted volume.
pub async fn delete(clients: &Clients, volume: &str) -> Result<(), ClientError> {
    first_answer(clients, volume, "removed", |mut manager| {
        let request = within(LOOK_TIMEOUT, RecordGetRequest { volume: volume.to_owned() });
        async move { manager.record_delete(request).await.map(|_| ()) }
    })
    .await
}

/// Asks one instance manager after the other until one answers, be it with a refusal. A compare-and-set whose answer
/// was lost may have been done: the next manager then refuses it, and the caller reads again.
async fn first_answer<T, F: Future<Output = Result<T, tonic::Status>> + Send>(
    clients: &Clients,
    volume: &str,
    doing: &'static str,
    ask: impl Fn(InstanceManagerClient<Channel>) -> F,
) -> Result<T, ClientError> {
    let mut why = None;
    for node in clients.nearest() {
        let answer = ask(clients.manager(&node)?).await;
        let answer = answer.map_err(rpc(format!("the control record of {volume} could not be {doing} on {node}: it")));
        match answer {
            // One that answers and can't reach the records itself says why; the first one is of this machine, if any is.
            Err(error) if error.is_unreachable() => why = why.or(Some(error).filter(is_answer)),
            answer => return answer,
        }
    }
    Err(why.unwrap_or_else(|| ClientError::NoKeeper { volume: volume.to_owned(), doing }))
}

/// Whether it came from the other side: what did not get there has a cause on this one.
fn is_answer(error: &ClientError) -> bool {
    matches!(error, ClientError::Rpc { status, .. } if status.source().is_none())
}
