//! Who looks on while replicas come and go.

use aurochs_api::replica::ReplicaMode;
use aurochs_server::resources::Engine;

use crate::installation::Installation;

impl Installation {
    /// Follows the engine's status until dropped and remembers the extremes.
    pub(crate) fn observe(&self) -> Observer {
        let mut watch = self.store().watch::<Engine>();
        let (told, extremes) = tokio::sync::watch::channel(Extremes::default());
        let task = tokio::spawn(async move {
            while let Some(event) = watch.next().await {
                let modes = &event.object().status.replica_mode_map;
                if modes.is_empty() {
                    continue;
                }
                let whole = modes.values().filter(|mode| **mode == ReplicaMode::ReadWrite).count();
                told.send_modify(|extremes| {
                    extremes.fewest_whole = extremes.fewest_whole.min(whole);
                    extremes.most = extremes.most.max(modes.len());
                });
            }
        });
        Observer { task, extremes }
    }
}

/// How far the number of replicas went while somebody looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extremes {
    pub(crate) fewest_whole: usize,
    pub(crate) most: usize,
}

impl Default for Extremes {
    fn default() -> Self {
        Self { fewest_whole: usize::MAX, most: 0 }
    }
}

pub(crate) struct Observer {
    task: tokio::task::JoinHandle<()>,
    extremes: tokio::sync::watch::Receiver<Extremes>,
}

impl Observer {
    pub(crate) fn extremes(&self) -> Extremes {
        *self.extremes.borrow()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
