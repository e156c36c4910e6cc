//! Which replica is rebuilt next: a pure choice, and its start.

use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};

use super::super::{Context, Error};
use crate::resources::engine::InstanceState;
use crate::resources::replica::REBUILD_RETRIES_MAXIMUM;
use crate::resources::{Object, Replica};

/// A replica as the choice sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidate {
    pub name: String,
    pub node: String,
    pub node_answers: bool,
    pub placed: bool,
    /// It has all data.
    pub serves: bool,
    pub failed: bool,
    /// Its last process is cleared away and the engine has let go of it.
    pub stopped: bool,
    pub retries: u32,
    /// How long it still has to rest after its last failure.
    pub pause_left: Duration,
    pub rebuilds_on_node: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Rebuild this replica where it is.
    Start(String),
    /// It failed too often: its data is given up.
    GiveUp(String),
    /// Make a new one elsewhere.
    Replace,
    Wait {
        cause: Cause,
        look_again: Duration,
    },
}

/// How soon to look again when something that is not ours has to happen first.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Pause after the first failed rebuild of a replica, doubled with each further one.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// How long a replica rests before this retry; the first one starts at once.
pub(super) fn retry_pause(retries: u32) -> Duration {
    if retries == 0 { Duration::ZERO } else { RETRY_PAUSE * (1 << (retries - 1).min(8)) }
}

/// Called when fewer replicas serve than wished and none is being rebuilt.
pub(super) fn choose(
    replicas: &[Candidate],
    wished: usize,
    degraded_for: Duration,
    replenishment_wait: Duration,
    rebuilds_per_node: u64,
) -> Choice {
    if let Some(hopeless) = replicas.iter().find(|one| one.failed && one.retries >= REBUILD_RETRIES_MAXIMUM) {
        return Choice::GiveUp(hopeless.name.clone());
    }
    let waiting: Vec<&Candidate> = replicas.iter().filter(|one| !one.serves && one.placed).collect();
    let startable = waiting.iter().filter(|one| one.node_answers && one.stopped && one.pause_left.is_zero());
    // Never used ones first: they cost no retry.
    if let Some(next) = startable.min_by_key(|one| (one.failed, one.retries, one.rebuilds_on_node)) {
        if next.rebuilds_on_node < rebuilds_per_node {
            return Choice::Start(next.name.clone());
        }
        return Choice::Wait { cause: limit_reached(next, rebuilds_per_node), look_again: LOOK_AGAIN };
    }
    if let Some(soon) = waiting.iter().filter(|one| one.node_answers).min_by_key(|one| one.pause_left) {
        let look_again = soon.pause_left.max(Duration::from_secs(1));
        return Choice::Wait { cause: resting(soon, look_again), look_again };
    }
    let unplaced = replicas.iter().filter(|one| !one.placed).count();
    let good_or_coming = replicas.iter().filter(|one| one.serves).count() + unplaced;
    match waiting.first() {
        Some(away) if degraded_for < replenishment_wait => {
            let left = replenishment_wait.saturating_sub(degraded_for) + Duration::from_secs(1);
            Choice::Wait { cause: away_for_now(away), look_again: left }
        }
        _ if good_or_coming < wished => Choice::Replace,
        _ => Choice::Wait {
            cause: no_place(wished - replicas.iter().filter(|one| one.serves).count()),
            look_again: LOOK_AGAIN,
        },
    }
}

fn cause(code: CauseCode, message: String, next_step: &str, one: &Candidate) -> Cause {
    let objects = vec![one.name.clone(), one.node.clone()];
    Cause { code, severity: Severity::Warning, message, next_step: next_step.to_owned(), objects, details: Vec::new() }
}

fn limit_reached(one: &Candidate, limit: u64) -> Cause {
    let message = format!(
        "Replica {} waits for its rebuild: {} rebuilds run on {}, and {limit} are allowed at once.",
        one.name, one.rebuilds_on_node, one.node
    );
    cause(CauseCode::ReplicaFailed, message, "Wait, or raise concurrent-replica-rebuild-per-node-limit.", one)
}

fn resting(one: &Candidate, left: Duration) -> Cause {
    let message = if one.stopped {
        format!(
            "Replica {} on {} could not be rebuilt (attempt {} of {REBUILD_RETRIES_MAXIMUM}); the next attempt is within {} s.",
            one.name,
            one.node,
            one.retries,
            retry_pause(one.retries).max(left).as_secs()
        )
    } else {
        format!("Replica {} on {} failed; its rebuild starts when its process is cleared away.", one.name, one.node)
    };
    cause(CauseCode::ReplicaFailed, message, "", one)
}

fn away_for_now(one: &Candidate) -> Cause {
    let message = format!(
        "Replica {} is on {}, which does not answer; a new one is made elsewhere if it stays away.",
        one.name, one.node
    );
    let next_step = "Bring the node back, or lower replica-replenishment-wait-interval to have a new one sooner.";
    cause(CauseCode::NodeDown, message, next_step, one)
}

fn no_place(missing: usize) -> Cause {
    Cause {
        code: CauseCode::NotEnoughNodes,
        severity: Severity::Warning,
        message: format!("{missing} of the volume's replicas have no place yet."),
        next_step: "Add a node or a disk, or lower the number of replicas.".to_owned(),
        objects: Vec::new(),
        details: Vec::new(),
    }
}

/// Starts the replica's process; the engine is told when it runs.
pub(super) async fn start(context: &Context, name: &str) -> Result<(), Error> {
    let change = |replica: &mut Object<Replica>| {
        if replica.spec.has_failed() {
            replica.spec.rebuild_retry_count += 1;
        }
        replica.spec.failed_at.clear();
        replica.spec.healthy_at.clear();
        replica.spec.desire_state = InstanceState::Running;
    };
    context.store.modify::<Replica>(name, change).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(600);

    fn serving(name: &str) -> Candidate {
        Candidate { name: name.into(), placed: true, node_answers: true, serves: true, ..Candidate::default() }
    }

    fn failed(name: &str) -> Candidate {
        Candidate { serves: false, failed: true, stopped: true, ..serving(name) }
    }

    fn chosen(replicas: &[Candidate], degraded_seconds: u64) -> Choice {
        choose(replicas, 3, Duration::from_secs(degraded_seconds), WAIT, 5)
    }

    #[test]
    fn a_failed_replica_whose_node_answers_is_rebuilt_in_place() {
        assert_eq!(chosen(&[serving("a"), serving("b"), failed("c")], 0), Choice::Start("c".into()));
    }

    #[test]
    fn a_replica_that_was_never_used_comes_first() {
        let fresh = Candidate { failed: false, ..failed("d") };
        assert_eq!(chosen(&[serving("a"), failed("c"), fresh], 0), Choice::Start("d".into()));
    }

    #[test]
    fn a_silent_node_gets_its_time_and_then_a_replacement() {
        let away = Candidate { node_answers: false, ..failed("c") };
        let replicas = [serving("a"), serving("b"), away];
        assert!(matches!(chosen(&replicas, 10), Choice::Wait { cause, .. } if cause.code == CauseCode::NodeDown));
        assert_eq!(chosen(&replicas, 601), Choice::Replace);
    }

    #[test]
    fn without_a_replica_to_wait_for_a_new_one_is_made_at_once() {
        assert_eq!(chosen(&[serving("a"), serving("b")], 0), Choice::Replace);
    }

    #[test]
    fn five_retries_then_it_is_given_up() {
        let replicas = [serving("a"), serving("b"), Candidate { retries: 5, ..failed("c") }];
        assert_eq!(chosen(&replicas, 0), Choice::GiveUp("c".into()));
    }

    #[test]
    fn the_node_limit_holds_rebuilds_back() {
        let busy = Candidate { rebuilds_on_node: 5, ..failed("c") };
        assert!(
            matches!(chosen(&[serving("a"), busy], 0), Choice::Wait { cause, .. } if cause.message.contains("5 are allowed"))
        );
        assert!(matches!(choose(&[serving("a"), failed("c")], 3, WAIT, WAIT, 0), Choice::Wait { .. }));
    }

    #[test]
    fn retries_rest_longer_each_time() {
        assert_eq!(retry_pause(0), Duration::ZERO);
        assert!(retry_pause(2) > retry_pause(1));
        let resting = Candidate { retries: 2, pause_left: Duration::from_secs(7), ..failed("c") };
        let look = chosen(&[serving("a"), resting], 0);
        assert!(matches!(look, Choice::Wait { look_again, .. } if look_again == Duration::from_secs(7)));
    }
}
