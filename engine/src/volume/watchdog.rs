//! Members that went away or don't answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::membership::{Mode, View};
use super::standstill::Standstills;
use super::{Shared, Volume};
use crate::link::ReplicaLink;
use crate::link::client::Request;
use crate::link::frame::Kind;

/// How long a request may wait before its replica is suspected, unless told otherwise (Longhorn's
/// `engine-replica-timeout`).
pub(crate) const REPLICA_TIMEOUT: Duration = Duration::from_secs(8);
const TICK: Duration = Duration::from_millis(500);
/// An idle link is asked this often whether it is alive.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// How long a request may wait now.
pub(crate) struct Patience(AtomicU64);

impl Default for Patience {
    fn default() -> Self {
        Self(AtomicU64::new(REPLICA_TIMEOUT.as_secs()))
    }
}

impl Patience {
    fn get(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

impl Volume {
    /// How long a replica may let a request wait, in whole seconds, before it is dropped while another one answers.
    pub fn set_replica_timeout(&self, timeout: Duration) {
        self.shared.patience.0.store(timeout.as_secs().max(1), Ordering::Relaxed);
    }
}

/// Reports the loss of this link, whenever it comes.
pub(crate) fn watch_link(shared: &Arc<Shared>, link: &ReplicaLink) {
    let (shared, link) = (Arc::downgrade(shared), link.clone());
    tokio::spawn(async move {
        link.lost().await;
        if let Some(shared) = shared.upgrade() {
            shared.membership.suspect(&link, link.lost_cause().unwrap_or("the link was lost"));
            shared.changed.tell();
        }
    });
}

/// Slow is not dead: a member is dropped for its slowness only when another one answers well, and only for as long as this
/// process could have heard it.
fn overdue(view: &View, patience: Duration, standstills: &Standstills) -> Vec<ReplicaLink> {
    let now = Instant::now();
    let wait = |link: &ReplicaLink| standstills.run_of(link.oldest_wait().unwrap_or_default(), now);
    let answers_well =
        |member: &&super::membership::Member| member.mode == Mode::ReadWrite && wait(&member.link) < patience / 2;
    if !view.members.iter().any(|member| answers_well(&member)) {
        return Vec::new();
    }
    let late = view.members.iter().filter(|member| wait(&member.link) >= patience);
    late.map(|member| member.link.clone()).collect()
}

/// Pings idle members and drops those that don't answer while others do. Runs as long as the volume.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut since_ping = Duration::ZERO;
    let mut standstills = Standstills::new(TICK, Instant::now());
    loop {
        ticks.tick().await;
        standstills.look(Instant::now());
        let view = shared.membership.view();
        for link in overdue(&view, shared.patience.get(), &standstills) {
            let waited = link.oldest_wait().unwrap_or_default();
            link.fail(&format!("no answer for {:.0} s, while other replicas answer", waited.as_secs_f64()));
        }
        since_ping += TICK;
        if since_ping < PING_INTERVAL {
            continue;
        }
        since_ping = Duration::ZERO;
        for member in view.members.iter().filter(|member| member.link.in_flight() == 0) {
            let link = member.link.clone();
            // Its answer is of no interest; what counts is how long it waits.
            tokio::spawn(async move { link.request(Request::new(Kind::Ping, 0, 0)).await.map(drop) });
        }
    }
}
