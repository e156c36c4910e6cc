//! Which replica is rebuilt next: a pure choice, and its start.

use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};

use super::super::{Context, Error};
use crate::resources::engine::InstanceState;
use crate::resources::replica::REBUILD_RETRIES_MAXIMUM;
use crate::resources::{Object, Replica};

/// Whether a replica's node answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    Answers,
    Silent,
    /// This manager has just started: nothing may be concluded.
    #[default]
    NotHeard,
}

/// A replica as the choice sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidate {
    pub name: String,
    pub node: String,
    pub reach: Reach,
    /// Its disk is there and can be written.
    pub disk_ready: bool,
    pub placed: bool,
    /// It has all data.
    pub serves: bool,
    pub failed: bool,
    /// Its disk or node is being emptied.
    pub evicting: bool,
    /// Its last process is cleared away and the engine has let go of it.
    pub stopped: bool,
    pub retries: u32,
    /// Why it failed last; empty when that is not known.
    pub failure: String,
    /// How long it still has to rest after its last failure.
    pub pause_left: Duration,
    pub rebuilds_on_node: u64,
}

impl Candidate {
    /// It has a place and never held data.
    const fn is_fresh(&self) -> bool {
        self.placed && !self.serves && !self.failed
    }

    /// Its node says that its disk is gone or can't be written: nothing can be rebuilt there.
    fn has_lost_its_disk(&self) -> bool {
        self.reach == Reach::Answers && !self.disk_ready
    }
}

/// What the choice depends on besides the replicas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub degraded_for: Duration,
    pub replenishment_wait: Duration,
    pub rebuilds_per_node: u64,
    /// The volume is of use on one node only, so that waiting for a replica elsewhere is of none.
    pub bound_to_node: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Rebuild this replica where it is.
    Start(String),
    /// It failed too often, or it can't be filled where it is and never had data.
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

/// Called when fewer replicas are whole than wished and none is being rebuilt.
pub(super) fn choose(replicas: &[Candidate], situation: &Situation) -> Choice {
    let away = |one: &Candidate| one.reach == Reach::Silent || one.has_lost_its_disk();
    let lost = |one: &&Candidate| one.is_fresh() && (one.evicting || away(one));
    let hopeless = |one: &&Candidate| one.failed && one.retries >= REBUILD_RETRIES_MAXIMUM;
    if let Some(gone) = replicas.iter().find(lost).or_else(|| replicas.iter().find(hopeless)) {
        return Choice::GiveUp(gone.name.clone());
    }
    // A failed one that should leave its disk anyway, or has lost it, is no reason to wait.
    let is_awaited =
        |one: &&Candidate| !one.serves && one.placed && !(one.failed && (one.evicting || one.has_lost_its_disk()));
    let waiting: Vec<&Candidate> = replicas.iter().filter(is_awaited).collect();
    let reachable = || waiting.iter().filter(|one| one.reach == Reach::Answers);
    let startable = reachable().filter(|one| one.stopped && one.pause_left.is_zero());
    // Never used ones first: they cost no retry.
    if let Some(next) = startable.min_by_key(|one| (one.failed, one.retries, one.rebuilds_on_node)) {
        return start_or_wait(next, situation.rebuilds_per_node);
    }
    if let Some(soon) = reachable().min_by_key(|one| one.pause_left) {
        return wait_for(soon);
    }
    if let Some(unknown) = waiting.iter().find(|one| one.reach == Reach::NotHeard) {
        return Choice::Wait { cause: not_heard(unknown), look_again: Duration::from_secs(1) };
    }
    let unplaced = replicas.iter().filter(|one| !one.placed).count();
    match waiting.first() {
        _ if unplaced > 0 => Choice::Wait { cause: no_place(replicas), look_again: LOOK_AGAIN },
        Some(away) if situation.degraded_for < situation.replenishment_wait && !situation.bound_to_node => {
            let left = situation.replenishment_wait.saturating_sub(situation.degraded_for);
            Choice::Wait { cause: away_for_now(away), look_again: left + Duration::from_secs(1) }
        }
        // It would take space and never be filled.
        _ if situation.rebuilds_per_node == 0 => Choice::Wait { cause: switched_off(replicas), look_again: LOOK_AGAIN },
        _ => Choice::Replace,
    }
}

/// The rebuild of this one, as soon as it is rested and its node has a turn for it.
pub(super) fn start_or_wait(one: &Candidate, rebuilds_per_node: u64) -> Choice {
    if !one.stopped || !one.pause_left.is_zero() {
        return wait_for(one);
    }
    if one.rebuilds_on_node < rebuilds_per_node {
        return Choice::Start(one.name.clone());
    }
    Choice::Wait { cause: limit_reached(one, rebuilds_per_node), look_again: LOOK_AGAIN }
}

fn wait_for(one: &Candidate) -> Choice {
    let look_again = one.pause_left.max(Duration::from_secs(1));
    Choice::Wait { cause: resting(one), look_again }
}

fn cause(code: CauseCode, message: String, next_step: &str, one: &Candidate) -> Cause {
    let objects = vec![one.name.clone(), one.node.clone()];
    Cause { code, severity: Severity::Warning, message, next_step: next_step.to_owned(), objects, details: Vec::new() }
}

fn limit_reached(one: &Candidate, limit: u64) -> Cause {
    let Candidate { name, node, rebuilds_on_node: running, .. } = one;
    let (message, next_step) = if limit == 0 {
        let message = format!("Replica {name} on {node} waits: rebuilding is switched off.");
        (message, "Raise concurrent-replica-rebuild-per-node-limit, which is 0.")
    } else {
        let message = format!(
            "Replica {name} waits for its rebuild: {running} rebuilds run on {node}, and {limit} are allowed at once."
        );
        (message, "Wait, or raise concurrent-replica-rebuild-per-node-limit.")
    };
    cause(CauseCode::RebuildWaiting, message, next_step, one)
}

fn switched_off(replicas: &[Candidate]) -> Cause {
    let message = "A replica is to be made in place of one that is lost, and rebuilding is switched off \
                   (concurrent-replica-rebuild-per-node-limit is 0).";
    let next_step = "Raise concurrent-replica-rebuild-per-node-limit.";
    let lost = replicas.iter().filter(|one| !one.serves).map(|one| one.name.as_str());
    Cause::new(CauseCode::RebuildWaiting, Severity::Warning, message, next_step).about(lost)
}

/// Says the whole pause, not what is left of it: a cause that changes every second would be written as often.
fn resting(one: &Candidate) -> Cause {
    let Candidate { name, node, retries, .. } = one;
    let why = match one.failure.trim_end_matches('.') {
        "" => String::new(),
        why => format!(": {why}"),
    };
    let (message, next_step) = if one.stopped {
        let pause = retry_pause(*retries).as_secs();
        let message = format!(
            "Replica {name} on {node} could not be rebuilt (attempt {retries} of {REBUILD_RETRIES_MAXIMUM}){why}; the \
             next attempt is within {pause} s."
        );
        (message, "It is tried again by itself; after the last attempt a new one is made where there is room.")
    } else {
        let message =
            format!("Replica {name} on {node} failed{why}; its rebuild starts when its process is cleared away.");
        (message, "It goes on by itself within a minute; look at the replica's disk if it does not.")
    };
    cause(CauseCode::RebuildWaiting, message, next_step, one)
}

fn not_heard(one: &Candidate) -> Cause {
    let message = format!("Replica {} waits: {} has not been heard since this manager started.", one.name, one.node);
    let next_step = "It goes on by itself when the node answers; if it stays silent, start its instance manager.";
    cause(CauseCode::RebuildWaiting, message, next_step, one)
}

fn away_for_now(one: &Candidate) -> Cause {
    let message = format!(
        "Replica {} is on {}, which does not answer; a new one is made elsewhere if it stays away.",
        one.name, one.node
    );
    let next_step = "Bring the node back, or lower replica-replenishment-wait-interval to have a new one sooner.";
    cause(CauseCode::NodeDown, message, next_step, one)
}

fn no_place(replicas: &[Candidate]) -> Cause {
    let missing: Vec<&str> = replicas.iter().filter(|one| !one.placed).map(|one| one.name.as_str()).collect();
    let message = format!("{} of the volume's {} replicas have no place yet.", missing.len(), replicas.len());
    let next_step = "Add a node or a disk, or lower the number of replicas.";
    Cause::new(CauseCode::NotEnoughNodes, Severity::Warning, message, next_step).about(missing)
}

/// Starts the replica's process; the engine is told when it runs.
pub(super) async fn start(context: &Context, name: &str) -> Result<Object<Replica>, Error> {
    Ok(context.store.modify::<Replica>(name, reuse).await?)
}

/// One that never held data costs no retry.
fn reuse(replica: &mut Object<Replica>) {
    if replica.spec.has_failed() {
        replica.spec.rebuild_retry_count += 1;
    }
    replica.spec.failed_at.clear();
    replica.spec.healthy_at.clear();
    replica.spec.desire_state = InstanceState::Running;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WAIT: Duration = Duration::from_secs(600);
    const SITUATION: Situation = Situation {
        degraded_for: Duration::ZERO,
        replenishment_wait: WAIT,
        rebuilds_per_node: 5,
        bound_to_node: false,
    };

    fn serving(name: &str) -> Candidate {
        let (placed, reach, disk_ready) = (true, Reach::Answers, true);
        Candidate { name: name.into(), placed, reach, disk_ready, serves: true, ..Candidate::default() }
    }

    fn failed(name: &str) -> Candidate {
        Candidate { serves: false, failed: true, stopped: true, ..serving(name) }
    }

    fn away(name: &str) -> Candidate {
        Candidate { reach: Reach::Silent, ..failed(name) }
    }

    fn fresh(name: &str) -> Candidate {
        Candidate { failed: false, ..failed(name) }
    }

    fn chosen(replicas: &[Candidate], degraded_seconds: u64) -> Choice {
        choose(replicas, &Situation { degraded_for: Duration::from_secs(degraded_seconds), ..SITUATION })
    }

    fn waits_for(choice: &Choice, code: CauseCode) -> bool {
        matches!(choice, Choice::Wait { cause, .. } if cause.code == code)
    }

    /// behaviour.md §3, row "reuse of failed replica".
    #[test]
    fn a_failed_replica_whose_node_answers_is_rebuilt_in_place() {
        assert_eq!(chosen(&[serving("a"), serving("b"), failed("c")], 0), Choice::Start("c".into()));
        assert_eq!(chosen(&[serving("a"), failed("c"), fresh("d")], 0), Choice::Start("d".into()), "costs no retry");
    }

    /// behaviour.md §3, row "reuse of failed replica": only if its node and disk are fine.
    #[test]
    fn a_failed_replica_whose_disk_is_not_ready_is_replaced_at_once() {
        let off = |one: Candidate| Candidate { disk_ready: false, ..one };
        let replicas = |last: Candidate| [serving("a"), serving("b"), last];
        assert_eq!(chosen(&replicas(off(failed("c"))), 0), Choice::Replace);
        assert_eq!(
            chosen(&replicas(off(fresh("c"))), 0),
            Choice::GiveUp("c".into()),
            "it has nothing to come back for"
        );
        assert!(waits_for(&chosen(&replicas(off(away("c"))), 0), CauseCode::NodeDown), "nobody can tell of its disk");
        let unheard = Candidate { reach: Reach::NotHeard, ..off(failed("c")) };
        assert!(waits_for(&chosen(&replicas(unheard), 0), CauseCode::RebuildWaiting));
        let two = [serving("a"), off(failed("b")), failed("c")];
        assert_eq!(chosen(&two, 0), Choice::Start("c".into()), "first the one that can");
        let two = [serving("a"), off(failed("b")), away("c")];
        assert!(waits_for(&chosen(&two, 0), CauseCode::NodeDown), "first the one that may come back");
    }

    /// behaviour.md §3, row "new replica".
    #[test]
    fn a_silent_node_gets_its_time_and_then_a_replacement() {
        let replicas = [serving("a"), serving("b"), away("c")];
        assert!(waits_for(&chosen(&replicas, 10), CauseCode::NodeDown));
        assert_eq!(chosen(&replicas, 601), Choice::Replace);
        assert_eq!(chosen(&[serving("a"), serving("b")], 0), Choice::Replace, "none to wait for");
        let bound = Situation { bound_to_node: true, ..SITUATION };
        assert_eq!(choose(&replicas, &bound), Choice::Replace, "hard node affinity");
    }

    /// A manager that has just started has heard from no node yet.
    #[test]
    fn a_node_that_was_not_heard_yet_is_not_away() {
        let unheard = Candidate { reach: Reach::NotHeard, ..failed("c") };
        assert!(waits_for(&chosen(&[serving("a"), serving("b"), unheard], 9999), CauseCode::RebuildWaiting));
        let unheard = Candidate { reach: Reach::NotHeard, ..fresh("c") };
        assert!(waits_for(&chosen(&[serving("a"), serving("b"), unheard], 9999), CauseCode::RebuildWaiting));
    }

    /// behaviour.md §3, row "failed replica cleanup", the part about retries.
    #[test]
    fn five_retries_then_it_is_given_up() {
        let replicas = [serving("a"), serving("b"), Candidate { retries: 5, ..failed("c") }];
        assert_eq!(chosen(&replicas, 0), Choice::GiveUp("c".into()));
    }

    #[test]
    fn what_never_had_data_is_not_waited_for() {
        for gone in [Candidate { reach: Reach::Silent, ..fresh("c") }, Candidate { evicting: true, ..fresh("c") }] {
            assert_eq!(chosen(&[serving("a"), serving("b"), gone], 0), Choice::GiveUp("c".into()));
        }
    }

    #[test]
    fn a_failed_one_that_is_evicting_is_replaced() {
        let evicting = Candidate { evicting: true, ..failed("c") };
        assert_eq!(chosen(&[serving("a"), serving("b"), evicting], 0), Choice::Replace);
    }

    #[test]
    fn none_is_made_while_one_has_no_place() {
        let unplaced = Candidate { placed: false, serves: false, ..serving("c") };
        assert!(waits_for(&chosen(&[serving("a"), unplaced], 9999), CauseCode::NotEnoughNodes));
    }

    /// behaviour.md §3, row "node limit".
    #[test]
    fn the_node_limit_holds_rebuilds_back() {
        let busy = Candidate { rebuilds_on_node: 5, ..failed("c") };
        let held = chosen(&[serving("a"), serving("b"), busy], 0);
        assert!(matches!(held, Choice::Wait { cause, .. } if cause.message.contains("5 are allowed")));
        let off = Situation { rebuilds_per_node: 0, ..SITUATION };
        let held = choose(&[serving("a"), serving("b"), failed("c")], &off);
        assert!(matches!(held, Choice::Wait { cause, .. } if cause.message.contains("switched off")));
        let none_to_reuse = [serving("a"), serving("b")];
        let held = choose(&none_to_reuse, &off);
        assert!(matches!(held, Choice::Wait { cause, .. } if cause.message.contains("limit is 0")));
        assert_eq!(choose(&none_to_reuse, &Situation { rebuilds_per_node: 1, ..SITUATION }), Choice::Replace);
    }

    /// behaviour.md §3, row "new replica": check-back = remaining + 1 s.
    #[test]
    fn check_back_when_the_wait_is_over() {
        let replicas = [serving("a"), serving("b"), away("c")];
        for (waited, replenishment_wait, expected) in
            [(10, 600, Some(591)), (599, 600, Some(2)), (600, 600, None), (0, 0, None)]
        {
            let (degraded_for, replenishment_wait) =
                (Duration::from_secs(waited), Duration::from_secs(replenishment_wait));
            let look_again = match choose(&replicas, &Situation { degraded_for, replenishment_wait, ..SITUATION }) {
                Choice::Wait { look_again, .. } => Some(look_again.as_secs()),
                _ => None,
            };
            assert_eq!(look_again, expected, "{waited} s of {replenishment_wait:?}");
        }
    }

    /// behaviour.md §3, row "reuse of failed replica": failedAt and healthyAt cleared, rebuildRetryCount + 1.
    #[test]
    fn what_is_written_when_a_replica_is_reused() {
        use crate::resources::replica::ReplicaSpec;
        for (failed_at, retries, expected) in [("2026-11-01T00:00:00Z", 2, 3), ("", 0, 0)] {
            let spec = ReplicaSpec {
                failed_at: failed_at.into(),
                healthy_at: "2026-11-01T00:00:00Z".into(),
                rebuild_retry_count: retries,
                ..ReplicaSpec::default()
            };
            let mut replica = Object::<Replica>::new("r", spec);
            reuse(&mut replica);
            let spec = &replica.spec;
            assert_eq!((spec.failed_at.as_str(), spec.healthy_at.as_str()), ("", ""));
            assert_eq!((spec.rebuild_retry_count, spec.desire_state), (expected, InstanceState::Running));
        }
    }

    #[test]
    fn retries_rest_longer_each_time() {
        assert_eq!(retry_pause(0), Duration::ZERO);
        assert!(retry_pause(2) > retry_pause(1));
        let resting = Candidate { retries: 2, pause_left: Duration::from_secs(7), ..failed("c") };
        let look = chosen(&[serving("a"), serving("b"), resting], 0);
        assert!(matches!(look, Choice::Wait { look_again, .. } if look_again == Duration::from_secs(7)));
    }

    #[test]
    fn a_rebuild_that_fails_again_and_again_says_why() {
        let resting = Candidate { retries: 2, pause_left: WAIT, failure: "the disk is full.".into(), ..failed("c") };
        let Choice::Wait { cause, .. } = chosen(&[serving("a"), serving("b"), resting], 0) else { panic!("it rests") };
        assert_eq!(cause.code, CauseCode::RebuildWaiting);
        assert!(cause.message.contains("attempt 2 of 5): the disk is full; the next"), "{}", cause.message);
    }

    prop_compose! {
        fn any_candidate(index: usize)(
            reach in prop_oneof![Just(Reach::Answers), Just(Reach::Silent), Just(Reach::NotHeard)],
            (placed, serves, failed, evicting, stopped, disk_ready) in any::<(bool, bool, bool, bool, bool, bool)>(),
            retries in 0..7_u32,
            pause in 0..2_u64,
            rebuilds_on_node in 0..4_u64,
        ) -> Candidate {
            let (serves, failed) = (placed && serves, placed && failed && !serves);
            let pause_left = Duration::from_secs(pause * 5);
            let (name, node) = (format!("r{index}"), format!("n{index}"));
            let failure = String::new();
            Candidate {
                name, node, reach, disk_ready, placed, serves, failed, evicting, stopped, retries, failure, pause_left,
                rebuilds_on_node,
            }
        }
    }

    proptest! {
        #[test]
        fn the_choice_keeps_what_is_whole_and_makes_one_at_a_time(
            replicas in (any_candidate(0), any_candidate(1), any_candidate(2), any_candidate(3)),
            degraded_seconds in 0..1200_u64,
            rebuilds_per_node in 0..4_u64,
        ) {
            let replicas = [replicas.0, replicas.1, replicas.2, replicas.3];
            let degraded_for = Duration::from_secs(degraded_seconds);
            let named = |name: &str| replicas.iter().find(|one| one.name == name).unwrap();
            match choose(&replicas, &Situation { degraded_for, rebuilds_per_node, ..SITUATION }) {
                Choice::Start(name) => {
                    let one = named(&name);
                    prop_assert!(one.placed && !one.serves && one.stopped);
                    prop_assert!(one.reach == Reach::Answers && one.disk_ready);
                    prop_assert!(one.rebuilds_on_node < rebuilds_per_node && one.retries < REBUILD_RETRIES_MAXIMUM || !one.failed);
                }
                Choice::GiveUp(name) => prop_assert!(!named(&name).serves),
                Choice::Replace => prop_assert!(rebuilds_per_node > 0 && replicas.iter().all(|one| one.placed)),
                Choice::Wait { cause, look_again } => {
                    prop_assert!(!cause.message.is_empty() && !cause.next_step.is_empty() && !look_again.is_zero());
                }
            }
        }
    }
}
