//! Clearing of the members' logs of dirty regions (`replica::regions`).
//!
//! Only the engine knows that all members are equal in a region. It says so in rounds:
//! 1. every member begins one, and gives it a number;
//! 2. the engine waits until all requests have ended that change anything and were in flight then. None is held back;
//! 3. every member syncs its head, and makes those regions clean that it has not begun to change since 1.
//!
//! Invariant: **a round ends only if every request that it waited for ended on every member that began it**, or the members
//! were made equal where one did not: nothing is left to be made equal, and the members are those that began. And it ends only
//! when the members take down what those miss that have left (`absent`): what is dirty is all that tells it before.
//!
//! A replica that joins is not asked: what it lacks is among what is dirty in its log, if it catches up.
//!
//! A region that becomes clean costs its next write a write to the log. So while there are writes, only what has been left
//! alone for long is cleared; when there are none, everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::membership::View;
use super::ordering::Access;
use super::{Shared, Volume};
use crate::link::ReplicaLink;
use crate::link::control::{ControlReply, ControlRequest};
use crate::rule;

/// How often the volume is looked at, and how long it has to be left alone for everything to be cleared.
const QUIET: Duration = Duration::from_secs(5);
/// How long a region of a volume that is never quiet has to be left alone.
const LEFT_ALONE: Duration = Duration::from_secs(600);

/// Whether there may be something to clear that no count of requests tells of.
#[derive(Default)]
pub(crate) struct RegionRounds {
    wanted: AtomicBool,
}

impl RegionRounds {
    /// Members were made equal.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Release);
    }
}

impl Volume {
    /// Makes clean in the members' logs what is not being changed; whether that was possible. It happens by itself too.
    pub async fn clear_dirty_regions(&self) -> bool {
        clear(&self.shared).await
    }
}

/// A round that every member has begun.
struct Round {
    view: Arc<View>,
    members: Vec<(ReplicaLink, u64)>,
    begun: Instant,
    /// Requests that had changed anything until it began.
    changes: u64,
}

/// Clears what is left alone, until the volume is over.
pub(crate) async fn run(shared: Arc<Shared>) {
    let changes = || shared.counters.modifications();
    // The logs may say that everything is dirty.
    shared.region_rounds.want();
    let (mut before, mut cleared) = (changes(), None);
    let mut going_on: Option<Round> = None;
    while shared.membership.check_running().is_ok() {
        let now = changes();
        let wanted = shared.region_rounds.wanted.load(Ordering::Acquire) || cleared != Some(now);
        if wanted && now == before {
            going_on = None;
            shared.region_rounds.wanted.store(false, Ordering::Release);
            if clear(&shared).await {
                cleared = Some(now);
            } else {
                shared.region_rounds.want();
            }
        } else if let Some(round) = going_on.take_if(|round| round.begun.elapsed() >= LEFT_ALONE) {
            let until = round.changes;
            if wait_and_end(&shared, round).await {
                cleared = Some(until);
            }
        } else if wanted && going_on.is_none() {
            going_on = begin(&shared).await;
        }
        before = now;
        tokio::time::sleep(QUIET).await;
    }
}

/// Clears everything that is not being changed meanwhile; whether that was possible. Another round that begins meanwhile
/// takes this one's place.
async fn clear(shared: &Shared) -> bool {
    match begin(shared).await {
        Some(round) => wait_and_end(shared, round).await,
        None => false,
    }
}

/// As [`clear`], for whoever holds the barrier.
pub(super) async fn clear_at_rest(shared: &Shared) {
    if let Some(round) = begin(shared).await {
        end(shared, round).await;
    }
}

async fn begin(shared: &Shared) -> Option<Round> {
    if shared.unequal.left() > 0 {
        return None;
    }
    let (view, changes) = (shared.membership.view(), shared.counters.modifications());
    let asked = view.readable().map(|member| async {
        match member.link.control(&ControlRequest::RegionRoundBegin).await {
            Ok(ControlReply::RegionRound { round }) => Some((member.link.clone(), round)),
            // It keeps no log, or is gone, which others notice.
            Ok(_) | Err(_) => None,
        }
    });
    let members = join_all(asked).await.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Round { view, members, begun: Instant::now(), changes })
}

async fn wait_and_end(shared: &Shared, round: Round) -> bool {
    if !rule::is_left_out(rule::ROUNDS_WAIT) {
        // A read of everything waits for all changes that came before it, and holds none back.
        drop(shared.ordering.turn(0, u64::MAX, Access::Read).await);
    }
    end(shared, round).await
}

/// Everything that was in flight when the round began has ended.
async fn end(shared: &Shared, round: Round) -> bool {
    if shared.membership.settled().await.is_err() || shared.unequal.left() > 0 {
        return false;
    }
    if !shared.membership.absent_are_noted() {
        return false;
    }
    if !round.view.has_members_of(&shared.membership.view()) {
        return false;
    }
    let ended = round.members.iter().map(|(link, number)| async move {
        let ended = link.control(&ControlRequest::RegionRoundEnd { round: *number }).await;
        ended.inspect_err(|error| tracing::debug!(replica = link.name(), %error, "its regions stay dirty")).is_ok()
    });
    join_all(ended).await.into_iter().all(|ended| ended)
}
