//! Which disks may take a replica at all, and why not the others.

use aurochs_api::node::DiskType;
use aurochs_api::size::ByteSize;

use super::filesystem;
use super::rule::Rule;
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
    pub rule: Rule,
    /// What the rule asks for and what there is of it, where it is about bytes.
    pub bytes: Option<WantedAndHas>,
    /// A part of a sentence: "disk d2 on node-3 has 8.1 GiB schedulable (…)".
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedAndHas {
    pub wanted: ByteSize,
    pub has: ByteSize,
}

/// Goes through all disks of all nodes.
#[must_use]
pub fn candidates<'a>(request: &Request, nodes: &'a [NodeView], rules: &Rules) -> (Vec<Candidate<'a>>, Vec<Refusal>) {
    let (mut candidates, mut refusals) = (Vec::new(), Vec::new());
    for node in nodes {
        if let Err(no) = check_node(request, node, rules) {
            refusals.push(no.of(node, ""));
            continue;
        }
        for disk in &node.disks {
            match check_disk(request, node, disk, rules) {
                Ok(()) => candidates.push(Candidate { node, disk }),
                Err(no) => refusals.push(no.of(node, &disk.name)),
            }
        }
    }
    (candidates, refusals)
}

/// A rule's no, before it is known of what.
struct No {
    rule: Rule,
    bytes: Option<WantedAndHas>,
    text: String,
}

impl No {
    fn of(self, node: &NodeView, disk: &str) -> Refusal {
        let Self { rule, bytes, text } = self;
        Refusal { node: node.name.clone(), disk: disk.to_owned(), rule, bytes, text }
    }
}

fn no(rule: Rule, text: String) -> Result<(), No> {
    Err(No { rule, bytes: None, text })
}

fn check_node(request: &Request, node: &NodeView, rules: &Rules) -> Result<(), No> {
    let name = &node.name;
    if let Some(only) = request.only_node.as_ref().filter(|only| *only != name) {
        return no(Rule::HardAffinity, format!("{name} is not {only}, where the replica has to be"));
    }
    if node.deleting {
        return no(Rule::NodeDeleting, format!("{name} is being removed"));
    }
    if !node.ready {
        let reason = if node.not_ready_reason.is_empty() { "it does not answer" } else { &node.not_ready_reason };
        return no(Rule::NodeReady, format!("{name} is down ({reason})"));
    }
    if !node.allow_scheduling {
        return no(Rule::NodeScheduling, format!("scheduling is disabled on {name}"));
    }
    if let Some(reason) = &node.unschedulable {
        return no(Rule::NodeSchedulable, format!("{name} is not schedulable ({reason})"));
    }
    if node.evicting {
        return no(Rule::NodeEvicting, format!("{name} is being emptied"));
    }
    if let Some(image) = &node.lacks_engine_image {
        return no(Rule::EngineImage, format!("the engine image {image} is not ready on {name}"));
    }
    if !matches_tags(&request.node_selector, &node.tags, rules.allow_empty_node_selector) {
        return no(Rule::NodeTags, tag_text(name, "node selector", &request.node_selector));
    }
    if node.disks.is_empty() {
        return no(Rule::NoDisk, format!("{name} has no disk"));
    }
    Ok(())
}

fn check_disk(request: &Request, node: &NodeView, disk: &DiskView, rules: &Rules) -> Result<(), No> {
    let name = format!("disk {} on {}", disk.name, node.name);
    if !disk.ready {
        return no(Rule::DiskReady, format!("{name} is not ready"));
    }
    if !disk.allow_scheduling {
        return no(Rule::DiskScheduling, format!("scheduling is disabled on {name}"));
    }
    if disk.evicting {
        return no(Rule::DiskEvicting, format!("{name} is being emptied"));
    }
    if let Some(reason) = &disk.unschedulable {
        return no(Rule::DiskReady, format!("{name} is not schedulable ({reason})"));
    }
    if disk.kind != DiskType::Filesystem {
        return no(Rule::DiskType, format!("{name} is a bare block device, and the volume needs a file system"));
    }
    if let Some(limit) = filesystem::largest_file(&disk.filesystem).filter(|limit| request.size > *limit) {
        let text = format!("{name} is {}, whose files end at {limit}", disk.filesystem);
        let bytes = Some(WantedAndHas { wanted: request.size, has: limit });
        return Err(No { rule: Rule::VolumeSize, bytes, text });
    }
    if !matches_tags(&request.disk_selector, &disk.tags, rules.allow_empty_disk_selector) {
        return no(Rule::DiskTags, tag_text(&name, "disk selector", &request.disk_selector));
    }
    check_space(request, &name, disk, rules)
}

fn check_space(request: &Request, name: &str, disk: &DiskView, rules: &Rules) -> Result<(), No> {
    disk.space.check(request.size, request.required, rules.limits).map_err(|shortage| match shortage {
        Shortage::Empty => {
            No { rule: Rule::DiskReady, bytes: None, text: format!("the size of {name} is not known yet or zero") }
        }
        Shortage::Pressure { available, minimum } => {
            let copy = match request.required {
                ByteSize::ZERO => String::new(),
                required => format!(" beside the {required} to be copied"),
            };
            let text = format!("{name} has {available} free, and more than {minimum} must stay free{copy}");
            let wanted = minimum.saturating_add(request.required);
            No { rule: Rule::FreeSpace, bytes: Some(WantedAndHas { wanted, has: available }), text }
        }
        Shortage::Promised { schedulable } => {
            let (reserved, scheduled) = (disk.space.reserved, disk.space.scheduled);
            let text = format!("{name} has {schedulable} schedulable (reserved {reserved}, scheduled {scheduled})");
            let bytes = Some(WantedAndHas { wanted: request.size, has: schedulable });
            No { rule: Rule::PromisedSpace, bytes, text }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::space::{DiskSpace, Limits};

    /// behaviour.md §2, row "tag match", of nodes and of disks alike.
    #[test]
    fn tag_match() {
        let rows: &[(&[&str], &[&str], bool, bool)] = &[
            (&[], &[], true, true),
            (&[], &[], false, true),
            (&[], &["ssd"], true, true),
            (&[], &["ssd"], false, false),
            (&["ssd"], &["fast", "ssd"], false, true),
            (&["ssd", "fast"], &["fast", "ssd"], true, true),
            (&["ssd", "fast"], &["ssd"], true, false),
            (&["ssd"], &[], true, false),
            (&["ssd"], &["SSD"], true, false),
        ];
        let limits = Limits { over_provisioning_percent: 100, minimal_available_percent: 0 };
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        for (selector, tags, allow_empty, expected) in rows {
            for of_node in [true, false] {
                let of = |yes: bool, list: &[&str]| if yes { words(list) } else { Vec::new() };
                let (maximum, available) = (ByteSize(100), ByteSize(100));
                let disk = DiskView {
                    ready: true,
                    allow_scheduling: true,
                    tags: of(!of_node, tags),
                    space: DiskSpace { maximum, available, ..DiskSpace::default() },
                    ..DiskView::default()
                };
                let (ready, allow_scheduling) = (true, true);
                let node = NodeView {
                    ready,
                    allow_scheduling,
                    tags: of(of_node, tags),
                    disks: vec![disk],
                    ..NodeView::default()
                };
                let request = Request {
                    size: ByteSize(1),
                    node_selector: of(of_node, selector),
                    disk_selector: of(!of_node, selector),
                    ..Request::default()
                };
                let rules = Rules {
                    limits,
                    allow_empty_node_selector: *allow_empty || !of_node,
                    allow_empty_disk_selector: *allow_empty || of_node,
                };
                let nodes = [node];
                let (found, refusals) = candidates(&request, &nodes, &rules);
                assert_eq!(found.len() == 1, *expected, "{selector:?} {tags:?} {allow_empty} {of_node}");
                let rule = if of_node { Rule::NodeTags } else { Rule::DiskTags };
                assert!(refusals.iter().all(|refusal| refusal.rule == rule), "{refusals:?}");
            }
        }
    }
}
