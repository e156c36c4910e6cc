//! What one manager at a time does: everything that changes something by itself.
//!
//! With the resources in the data directory nobody else could do it: it begins before the manager serves, and ends after.
//! In a cluster every manager serves, and it is the duty of the one whose turn it is ([`crate::cluster::lease`]):
//!
//! ```text
//!   waiting ── its turn ──► beginning ──► acting ── asked to end ──► the turn is given back
//!      ▲                        │            │
//!      └──── failed, or the turn was lost ───┘
//! ```
//! Nothing of it runs any more when the turn is given back. When it was lost, what is under way ends at once, and what that
//! had sent is harmless: a write names the version that it replaces, and replicas refuse an engine of an older epoch.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::zone::{self, NodeZone};
use super::{Error, Layout, first};
use crate::cluster::webhook::Registration;
use crate::cluster::{self, Cluster};
use crate::controllers::{Context, Controllers};
use crate::notifications::Notifications;
use crate::recurring::{self, clock::Clock};
use crate::support_bundle::{self, Bundles};

/// Pause after the duty could not begin: another manager may have the turn meanwhile.
const PAUSE: Duration = Duration::from_secs(5);

/// What the duty consists of; it can begin several times.
pub(super) struct Work {
    pub(super) context: Context,
    pub(super) layout: Layout,
    pub(super) zones: Vec<NodeZone>,
    pub(super) bundles: Bundles,
    pub(super) notifications: Notifications,
    /// Of recurring jobs.
    pub(super) clock: Clock,
    /// Of the webhook, if there is any.
    pub(super) registration: Option<Registration>,
}

impl Work {
    async fn begin(&self) -> Result<Controllers, Error> {
        let context = &self.context;
        zone::apply(&context.store, &self.zones).await?;
        let mut controllers = Controllers::start(context).await?;
        if let Some(registration) = &self.registration {
            controllers.add(vec![registration.start()]);
        }
        controllers.add(support_bundle::controller::start(context, &self.bundles));
        controllers.add(recurring::start(context, &self.clock).await);
        controllers.add(self.notifications.start(&context.store, &context.events, &context.jobs));
        Ok(controllers)
    }
}

/// This manager's duty.
pub(super) enum Duty {
    /// From the start to the end.
    Always(Controllers),
    /// Whenever it is this manager's turn. It ends when the sender is dropped.
    InTurn { stop: oneshot::Sender<()>, task: JoinHandle<()> },
}

impl Duty {
    pub(super) async fn begin(work: &Work) -> Result<Self, Error> {
        first::settings(&work.context.store, &work.layout).await?;
        Ok(Self::Always(work.begin().await?))
    }

    /// `has_pods`: instance managers are pods.
    pub(super) fn in_turn(work: Work, cluster: Cluster, has_pods: bool) -> Self {
        let (stop, stopped) = oneshot::channel();
        let work = InCluster { work, cluster, has_pods };
        Self::InTurn { stop, task: tokio::spawn(take_turns(work, stopped)) }
    }

    /// Returns when nothing of it runs any more, and the turn is given back.
    pub(super) async fn end(self) {
        match self {
            Self::Always(controllers) => controllers.stop().await,
            Self::InTurn { stop, task } => {
                drop(stop);
                if let Err(error) = task.await {
                    tracing::error!(%error, "the manager's turn did not end in order; the next one waits for its lease");
                }
            }
        }
    }
}

/// The duty in a cluster.
struct InCluster {
    work: Work,
    cluster: Cluster,
    has_pods: bool,
}

impl InCluster {
    async fn begin(&self) -> Result<Controllers, Error> {
        let context = &self.work.context;
        // Before there are nodes: settings say which disks they get.
        let taken = cluster::release::take(&self.cluster, &context.store, &context.settings).await;
        let mut controllers = self.work.begin().await?;
        controllers.add(vec![taken.follow(), cluster::kubernetes_nodes::follow(&self.cluster, &context.store)]);
        if self.has_pods {
            controllers.add(cluster::disruption::start(&self.cluster, context));
        }
        // Kubectl's objects are of a cluster alone.
        controllers.add(cluster::adopt::start(&context.store));
        Ok(controllers)
    }
}

async fn take_turns(work: InCluster, mut stopped: oneshot::Receiver<()>) {
    let identity = identity();
    loop {
        let mut turn = tokio::select! {
            biased;
            turn = work.cluster.wait_for_turn(&identity) => turn,
            _ = &mut stopped => return,
        };
        tracing::info!(identity, "this manager acts on the namespace from now on");
        let begun = tokio::select! {
            begun = work.begin() => begun,
            () = turn.lost() => continue,
            _ = &mut stopped => return turn.give_back().await,
        };
        let is_stopped = match begun {
            Ok(controllers) => {
                let is_stopped = tokio::select! {
                    () = turn.lost() => false,
                    _ = &mut stopped => true,
                };
                controllers.stop().await;
                if !is_stopped {
                    tracing::warn!(identity, "this manager only serves now, and waits for its next turn");
                    continue;
                }
                turn.give_back().await;
                true
            }
            Err(error) => {
                tracing::error!(%error, "this manager can't act on the namespace; it lets another one try");
                turn.give_back().await;
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => false,
                    _ = &mut stopped => true,
                }
            }
        };
        if is_stopped {
            return;
        }
    }
}

/// This process, for those who look at the lease.
fn identity() -> String {
    format!("{}_{}", super::host_name(), uuid::Uuid::new_v4())
}
