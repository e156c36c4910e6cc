//! A start whose replicas are smaller than the volume is said to be: it was expanded while it was down.
//!
//! Growing freezes a layer, which has to be equal on all members. After a clean stop they are equal, and the volume grows
//! before it is served. After an unclean one that takes a comparison of everything the heads hold, for which no start
//! is held up: the volume is served with the size that it has, and grows in the background when its members are equal.
//!
//! Invariant: a frontend shows the size that the volume has, whichever of the two comes first: the growing tells the
//! frontend that it finds, and a frontend that comes later is told again of the size of that moment.

use std::sync::{Mutex, PoisonError};

use super::Volume;
use super::exclusive_work::{Work, WorkGuard};
use crate::frontend::Resizer;

/// The frontend that shows the volume to its users, once there is one.
#[derive(Default)]
pub(super) struct Offered(Mutex<Resizer>);

impl Offered {
    fn set(&self, resizer: Resizer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = resizer;
    }

    fn get(&self) -> Resizer {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Volume {
    /// The last step of a start: the volume gets the size that whoever started the engine wants it to have. One that
    /// can't grow is served with the size it has; the status tells why.
    pub(super) async fn start_with_size(&self, wanted: u64) {
        let shared = &self.shared;
        let (volume, size) = (&shared.name, shared.size());
        if size > wanted {
            tracing::warn!(volume, size, wanted, "the replicas are larger than the engine was told; their size counts");
        }
        if size >= wanted {
            return;
        }
        // Before anybody can ask for other work.
        let work = match shared.check_new_size(wanted).and_then(|()| shared.work.begin(Work::Expand)) {
            Ok(work) => work,
            Err(error) => return shared.expansion.failed(&error),
        };
        let left = shared.unequal.left();
        if left == 0 {
            return self.grow(work, wanted).await;
        }
        tracing::info!(volume, size, wanted, regions = left, "the volume grows when its replicas are equal");
        let volume = self.clone();
        tokio::spawn(async move { volume.grow(work, wanted).await });
    }

    async fn grow(&self, work: WorkGuard, wanted: u64) {
        let users = self.clone();
        let tell_users = async move {
            let resizer = users.shared.offered.get();
            resizer.resize().await.map_err(|error| error.to_string())
        };
        if let Err(error) = self.expand_as(work, wanted, tell_users).await {
            self.shared.expansion.failed(&error);
        }
    }

    /// A frontend shows the volume from now on: it is told when the volume grows because of how it was started.
    pub async fn offered_by(&self, resizer: Resizer) {
        self.shared.offered.set(resizer.clone());
        if let Err(error) = resizer.resize().await {
            tracing::warn!(volume = self.shared.name, %error, "the frontend may show an older size of the volume");
        }
    }
}
