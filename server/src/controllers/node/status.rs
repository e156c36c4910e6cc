//! A node's status, from what a pass found.

use std::collections::BTreeMap;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;
use aurochs_api::node::{EnvironmentItem, FrontendOffer};

use super::disk::{self, Surroundings};
use super::health;
use super::trouble::Look;
use crate::controllers::drain::{Policy, Verdict};
use crate::environment::conditions;
use crate::instance::Answering;
use crate::resources::node::{LABEL_REGION, LABEL_ZONE, NodeStatus, READY, SCHEDULABLE};
use crate::resources::{Node, Object, condition};

/// What a pass found.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    pub(super) answering: &'a Answering,
    pub(super) looks: &'a BTreeMap<String, Look>,
    /// None: as before.
    pub(super) frontends: Option<Vec<FrontendOffer>>,
    /// None: as before.
    pub(super) environment: Option<Vec<EnvironmentItem>>,
    /// None: as before.
    pub(super) health: Option<health::Told>,
    /// None: the node is not cordoned.
    pub(super) verdict: Option<&'a (Policy, Verdict)>,
    pub(super) causes: Vec<Cause>,
}

pub(super) fn apply(
    status: &mut NodeStatus,
    node: &Object<Node>,
    findings: &Findings<'_>,
    around: Surroundings<'_>,
    cordon_counts: bool,
) {
    let name = node.name();
    status.causes.clear();
    tell_ready(status, name, findings.answering);
    let label = |key: &str| node.metadata.labels.get(key).cloned().unwrap_or_default();
    (status.region, status.zone) = (label(LABEL_REGION), label(LABEL_ZONE));
    if let Some(frontends) = &findings.frontends {
        status.frontends.clone_from(frontends);
    }
    if let Some(environment) = &findings.environment {
        status.environment.clone_from(environment);
        conditions::set(&mut status.conditions, environment);
    }
    if matches!(findings.answering, Answering::Yes { .. }) {
        status.causes.extend(conditions::causes(name, &status.environment));
    }
    status.causes.extend(findings.causes.iter().cloned());
    status.causes.extend(closed(node, cordon_counts));
    status.auto_evicting = is_being_emptied(findings.verdict);
    disk::apply(status, name, &node.spec, findings.looks, around);
    for (disk, found) in &mut status.disk_status {
        if let Some(told) = findings.health.as_ref().and_then(|told| told.get(disk)) {
            health::take(found, told);
        }
        found.causes.extend(health::failing(name, found));
    }
    tell_schedulable(status, node, cordon_counts);
}

/// Invariant: a cordoned node whose policy moves replicas away is being emptied for as long as it is cordoned, also when
/// nothing is left on it. What is being emptied takes no replica, whatever else is allowed on cordoned nodes; would it end
/// with the last replica, the node would be filled and emptied in turns.
fn is_being_emptied(verdict: Option<&(Policy, Verdict)>) -> bool {
    verdict.is_some_and(|(policy, _)| policy.evicts())
}

/// Nothing new goes there because somebody said so.
fn closed(node: &Object<Node>, cordon_counts: bool) -> Option<Cause> {
    let name = node.name();
    let (why, next_step) = if !node.spec.allow_scheduling {
        ("Scheduling is switched off on", "Switch it on when replicas may be placed there again.")
    } else if node.spec.cordoned && cordon_counts {
        ("As it is cordoned, scheduling is off on", "Uncordon the node when its maintenance is over.")
    } else {
        return None;
    };
    let message = format!("{why} {name}: no replica is placed there.");
    Some(Cause::new(CauseCode::SchedulingDisabled, Severity::Info, message, next_step).about([name]))
}

fn tell_ready(status: &mut NodeStatus, name: &str, answering: &Answering) {
    match answering {
        Answering::Yes { .. } => condition::set(&mut status.conditions, READY, ConditionStatus::True, "", ""),
        Answering::NotYet => {}
        Answering::No { since, error } => {
            let message = format!("The instance manager of {name} has not answered since {since}: {error}.");
            condition::set(&mut status.conditions, READY, ConditionStatus::False, "ManagerPodDown", &message);
            status.causes.push(Cause {
                code: CauseCode::NodeDown,
                severity: Severity::Error,
                message,
                next_step: "It is started again by itself; if it stays down, see its log in the data directory."
                    .to_owned(),
                objects: vec![name.to_owned()],
                details: Vec::new(),
            });
        }
    }
}

/// Longhorn's rule: false on a cordoned node, where the setting disable-scheduling-on-cordoned-node says so. What the
/// node's own switch says is no condition.
fn tell_schedulable(status: &mut NodeStatus, node: &Object<Node>, cordon_counts: bool) {
    let (value, reason, message) = if node.spec.cordoned && cordon_counts {
        let message = format!("Node {} is cordoned; nothing new is placed there.", node.name());
        (ConditionStatus::False, "KubernetesNodeCordoned", message)
    } else {
        (ConditionStatus::True, "", String::new())
    };
    condition::set(&mut status.conditions, SCHEDULABLE, value, reason, &message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::drain::Obstacle;
    use crate::resources::node::NodeSpec;

    #[test]
    fn a_closed_node_says_so() {
        for (allowed, cordoned, cordon_counts, words) in [
            (true, false, true, None),
            (true, true, false, None),
            (true, true, true, Some("cordoned")),
            (false, false, true, Some("switched off")),
            (false, true, true, Some("switched off")),
        ] {
            let spec = NodeSpec { allow_scheduling: allowed, cordoned, ..NodeSpec::default() };
            let cause = closed(&Object::<Node>::new("node-1", spec), cordon_counts);
            assert_eq!(cause.as_ref().map(|cause| cause.code), words.map(|_| CauseCode::SchedulingDisabled));
            let told = cause.map(|cause| cause.message).unwrap_or_default();
            assert!(told.contains(words.unwrap_or_default()), "{told}");
        }
    }

    /// behaviour.md §13: the reasons of a node's conditions.
    #[test]
    fn reasons_of_a_node_that_is_not_ready_or_not_schedulable() {
        let silent = Answering::No { since: "noon".into(), error: "gone".into() };
        let answers = Answering::Yes { version: "1".into(), pid: 7 };
        // (told, before, after)
        for (told, before, expected) in [
            (&answers, ConditionStatus::False, (true, "")),
            (&silent, ConditionStatus::True, (false, "ManagerPodDown")),
            (&Answering::NotYet, ConditionStatus::True, (true, "before")),
        ] {
            let mut status = NodeStatus::default();
            condition::set(&mut status.conditions, READY, before, "before", "");
            tell_ready(&mut status, "node-1", told);
            let ready = condition::find(&status.conditions, READY).unwrap();
            assert_eq!((ready.status == ConditionStatus::True, ready.reason.as_str()), expected, "{told:?}");
        }
        for (cordoned, setting, expected) in
            [(true, true, (false, "KubernetesNodeCordoned")), (true, false, (true, "")), (false, true, (true, ""))]
        {
            let node = Object::<Node>::new("node-1", NodeSpec { cordoned, ..NodeSpec::default() });
            let mut status = NodeStatus::default();
            tell_schedulable(&mut status, &node, setting);
            let found = condition::find(&status.conditions, SCHEDULABLE).unwrap();
            assert_eq!(
                (found.status == ConditionStatus::True, found.reason.as_str()),
                expected,
                "{cordoned} {setting}"
            );
        }
    }

    /// behaviour.md §13: `autoEvicting`.
    #[test]
    fn a_cordoned_node_stays_closed_when_the_last_replica_has_left() {
        for (policy, expected) in [
            (Policy::BlockForEviction, true),
            (Policy::BlockForEvictionIfContainsLastReplica, true),
            (Policy::BlockIfContainsLastReplica, false),
            (Policy::AllowIfReplicaIsStopped, false),
            (Policy::AlwaysAllow, false),
        ] {
            let last = Obstacle::LastReplica { replica: "v-r-1".into(), volume: "v".into() };
            for verdict in [Verdict::default(), Verdict { obstacles: vec![last] }] {
                assert_eq!(is_being_emptied(Some(&(policy, verdict))), expected, "{}", policy.word());
            }
        }
        assert!(!is_being_emptied(None), "not cordoned");
    }
}
