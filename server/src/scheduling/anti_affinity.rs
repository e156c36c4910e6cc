//! Which of the disks that could take a replica may take it beside the volume's other replicas: the first set that is
//! not empty, from "a node of its own in a zone of its own" to what the soft rules add (behaviour.md §2).

use std::collections::BTreeSet;

use super::filter::{Candidate, Refusal};
use super::rule::Rule;
use super::{NodeView, Request};

/// Nodes and zones in which the volume has replicas.
struct Used<'a> {
    nodes: BTreeSet<&'a str>,
    zones: BTreeSet<&'a str>,
}

impl<'a> Used<'a> {
    /// With the evicting ones, or only by those that stay.
    fn by(request: &'a Request, nodes: &'a [NodeView], with_evicting: bool) -> Self {
        let counted = request.taken.iter().filter(|taken| with_evicting || !taken.evicting);
        let used: BTreeSet<&str> = counted.map(|taken| taken.node.as_str()).collect();
        let zones = used.iter().map(|name| zone_of(nodes, name)).collect();
        Self { nodes: used, zones }
    }

    fn frees_node(&self, candidate: &Candidate<'_>) -> bool {
        !self.nodes.contains(candidate.node.name.as_str())
    }

    fn frees_zone(&self, candidate: &Candidate<'_>) -> bool {
        !self.zones.contains(candidate.node.zone.as_str())
    }
}

/// Nodes without a zone are one zone.
pub(super) fn zone_of<'a>(nodes: &'a [NodeView], name: &str) -> &'a str {
    nodes.iter().find(|node| node.name == name).map_or("", |node| node.zone.as_str())
}

/// The candidates that are allowed now.
pub(super) fn allowed<'a>(request: &Request, nodes: &[NodeView], candidates: &[Candidate<'a>]) -> Vec<Candidate<'a>> {
    let (used, staying) = (Used::by(request, nodes, true), Used::by(request, nodes, false));
    let pick = |keep: &dyn Fn(&Candidate<'_>) -> bool| -> Vec<Candidate<'a>> {
        let kept: Vec<_> = candidates.iter().filter(|candidate| keep(candidate)).copied().collect();
        by_disk(request, kept)
    };
    let mut choices = vec![pick(&|one| used.frees_node(one) && used.frees_zone(one))];
    match (request.zone_soft, request.node_soft) {
        (false, _) => choices.push(pick(&|one| staying.frees_node(one) && staying.frees_zone(one))),
        (true, false) => {
            choices.extend([pick(&|one| used.frees_node(one)), pick(&|one| staying.frees_node(one))]);
        }
        (true, true) => choices.extend([pick(&|one| used.frees_node(one)), pick(&|_| true)]),
    }
    choices.into_iter().find(|choice| !choice.is_empty()).unwrap_or_default()
}

/// Disks without a replica of the volume win; others only if the rule for disks is soft.
fn by_disk<'a>(request: &Request, candidates: Vec<Candidate<'a>>) -> Vec<Candidate<'a>> {
    let free: Vec<_> = candidates.iter().filter(|candidate| !holds_one(request, candidate)).copied().collect();
    if !free.is_empty() || !request.disk_soft { free } else { candidates }
}

fn holds_one(request: &Request, candidate: &Candidate<'_>) -> bool {
    request.taken.iter().any(|taken| taken.disk_uuid == candidate.disk.uuid)
}

/// Why none of these candidates is allowed, one refusal each.
pub(super) fn refusals(request: &Request, nodes: &[NodeView], candidates: &[Candidate<'_>]) -> Vec<Refusal> {
    let staying = Used::by(request, nodes, false);
    let refuse = |candidate: &Candidate<'_>| {
        let (node, disk) = (&candidate.node.name, &candidate.disk.name);
        let (rule, text) = if !request.node_soft && !staying.frees_node(candidate) {
            (Rule::NodeAntiAffinity, format!("{node} holds a replica already"))
        } else if !request.zone_soft && !staying.frees_zone(candidate) {
            let zone = if candidate.node.zone.is_empty() { "without a name" } else { &candidate.node.zone };
            (Rule::ZoneAntiAffinity, format!("{node} is in the zone {zone}, which holds a replica already"))
        } else {
            (Rule::DiskAntiAffinity, format!("disk {disk} on {node} holds a replica already"))
        };
        Refusal { node: node.clone(), disk: disk.clone(), rule, bytes: None, text }
    };
    candidates.iter().map(refuse).collect()
}
