//! Which disks may take a replica at all, and why not the others.

use aurochs_api::cause::CauseCode;

use super::space::Shortage;
use super::{DiskView, NodeView, Request, Rules};

/// A disk that may take the replica, as far as it alone is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub node: &'a NodeView,
    pub disk: &'a DiskView,
}

/// Why a node or disk can't take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub node: String,
    /// Empty when the whole node is out.
    pub disk: String,
    pub code: CauseCode,
    /// A part of a sentence: "disk d2 on node-3 has 8.1 GiB schedulable (…)".
    pub text: String,
}

/// Goes through all disks of all nodes.
#[must_use]
pub fn candidates<'a>(request: &Request, nodes: &'a [NodeView], rules: &Rules) -> (Vec<Candidate<'a>>, Vec<Refusal>) {
    let (mut candidates, mut refusals) = (Vec::new(), Vec::new());
    for node in nodes {
        if let Err((code, text)) = check_node(request, node, rules) {
            refusals.push(Refusal { node: node.name.clone(), disk: String::new(), code, text });
            continue;
        }
        for disk in &node.disks {
            match check_disk(request, node, disk, rules) {
                Ok(()) => candidates.push(Candidate { node, disk }),
                Err((code, text)) => {
                    refusals.push(Refusal { node: node.name.clone(), disk: disk.name.clone(), code, text });
                }
            }
        }
    }
    (candidates, refusals)
}

type Check = Result<(), (CauseCode, String)>;

fn check_node(request: &Request, node: &NodeView, rules: &Rules) -> Check {
    let name = &node.name;
    if request.only_node.as_ref().is_some_and(|only| only != name) {
        return Err((CauseCode::NotEnoughNodes, format!("{name} is not the node that the volume is bound to")));
    }
    if !node.ready {
        let reason = if node.not_ready_reason.is_empty() { "it does not answer" } else { &node.not_ready_reason };
        return Err((CauseCode::NodeDown, format!("{name} is down ({reason})")));
    }
    if !node.allow_scheduling {
        return Err((CauseCode::NotEnoughNodes, format!("scheduling is disabled on {name}")));
    }
    if !matches_tags(&request.node_selector, &node.tags, rules.allow_empty_node_selector) {
        return Err((CauseCode::NotEnoughNodes, tag_text(name, "node selector", &request.node_selector)));
    }
    if node.disks.is_empty() {
        return Err((CauseCode::DiskNotReady, format!("{name} has no disk")));
    }
    Ok(())
}

fn check_disk(request: &Request, node: &NodeView, disk: &DiskView, rules: &Rules) -> Check {
    let name = format!("disk {} on {}", disk.name, node.name);
    if !disk.ready {
        return Err((CauseCode::DiskNotReady, format!("{name} is not ready")));
    }
    if !disk.allow_scheduling || disk.evicting {
        return Err((CauseCode::NotEnoughNodes, format!("scheduling is disabled on {name}")));
    }
    if !matches_tags(&request.disk_selector, &disk.tags, rules.allow_empty_disk_selector) {
        return Err((CauseCode::NotEnoughNodes, tag_text(&name, "disk selector", &request.disk_selector)));
    }
    disk.space.check(request.size, request.required, rules.limits).map_err(|shortage| match shortage {
        Shortage::Empty => (CauseCode::DiskNotReady, format!("the size of {name} is not known yet or zero")),
        Shortage::Pressure { available, minimum } => {
            (CauseCode::DiskPressure, format!("{name} has {available} free, and more than {minimum} must stay free"))
        }
        Shortage::Promised { schedulable } => (
            CauseCode::InsufficientStorage,
            format!(
                "{name} has {schedulable} schedulable (reserved {}, scheduled {})",
                disk.space.reserved, disk.space.scheduled
            ),
        ),
    })
}

/// Every selector must be among the tags; an empty selector matches tagged ones only if allowed.
fn matches_tags(selector: &[String], tags: &[String], allow_empty: bool) -> bool {
    if selector.is_empty() {
        return tags.is_empty() || allow_empty;
    }
    selector.iter().all(|wanted| tags.contains(wanted))
}

fn tag_text(name: &str, what: &str, selector: &[String]) -> String {
    if selector.is_empty() {
        format!("{name} has tags and the volume has no {what}")
    } else {
        format!("{name} lacks a tag of the {what} {}", selector.join(", "))
    }
}
