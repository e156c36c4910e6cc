//! A volume that is deleted takes its samples along: one of the same name that is made later is another one, and no line
//! goes from one to the other.
//!
//! Deletions are told by the store. What was deleted while nobody listened, or was looked at once more since, is found by
//! [`sweep`]: what has samples and is no volume.

use std::collections::HashSet;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::chunk::Sample;
use super::io::IoSample;
use super::{Shared, keeper, sampler};
use crate::resources::{Kind, Volume};
use crate::store::{RawEvent, Store};

/// What a deletion takes along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    Volume(String),
    /// Too much happened to be told one by one.
    Some,
}

/// Returns at the next deletion of a volume.
pub(super) async fn next(changes: &mut Receiver<RawEvent>) -> Gone {
    loop {
        match changes.recv().await {
            Ok(event) if event.deleted && event.plural == Volume::PLURAL => {
                return Gone::Volume(event.object.metadata.name.clone());
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return Gone::Some,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

pub(super) async fn forget(shared: &Shared, store: &Store, gone: &Gone) {
    match gone {
        Gone::Volume(name) => remove(shared, [name.clone()]).await,
        Gone::Some => sweep(shared, store).await,
    }
}

/// Removes the samples of whatever is no volume (any more).
pub(super) async fn sweep(shared: &Shared, store: &Store) {
    let Some(pool) = &shared.pool else { return };
    // The names first: a volume that is made meanwhile has none of them.
    let known = match keeper::series(pool, IoSample::KIND).await {
        Ok(known) => known,
        Err(error) => return sampler::tell(&error, "samples of deleted volumes stay for now"),
    };
    let known: HashSet<String> = known.into_iter().chain(shared.memory().io.names().cloned()).collect();
    let volumes = match store.list_shared::<Volume>().await {
        Ok(volumes) => volumes,
        Err(error) => return tracing::warn!(%error, "samples of deleted volumes stay for now"),
    };
    let there: HashSet<&str> = volumes.iter().map(|volume| volume.name()).collect();
    remove(shared, known.into_iter().filter(|name| !there.contains(name.as_str()))).await;
}

async fn remove(shared: &Shared, names: impl IntoIterator<Item = String>) {
    let Some(pool) = &shared.pool else { return };
    // What is on its way to the table would come there afterwards.
    let _turn = shared.writing.lock().await;
    for name in names {
        shared.memory().io.remove(&name);
        if let Err(error) = keeper::remove(pool, IoSample::KIND, &name).await {
            sampler::tell(&error, "samples of a deleted volume stay for now");
        }
    }
}
