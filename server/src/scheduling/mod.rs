//! Where a replica goes: pure functions over what the nodes' disks are. Every "no" comes with its cause.
//!
//! 1. [`filter`] — which disks may take the replica at all, and why not the others;
//! 2. this file — the order in which anti-affinity lets candidates be tried;
//! 3. [`score`] — the candidate that keeps the disks most equal;
//! 4. [`space`] — the arithmetic beneath.

pub mod balance;
pub mod causes;
pub mod filter;
pub mod score;
pub mod space;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::size::ByteSize;

use filter::{Candidate, Refusal};
use space::DiskSpace;

/// A node as the scheduler sees it.
#[derive(Clone, Debug, Default)]
pub struct NodeView {
    pub name: String,
    pub zone: String,
    /// Its instance manager answers.
    pub ready: bool,
    /// Why not, when it is not ready.
    pub not_ready_reason: String,
    pub allow_scheduling: bool,
    pub tags: Vec<String>,
    pub disks: Vec<DiskView>,
}

/// A disk as the scheduler sees it.
#[derive(Clone, Debug, Default)]
pub struct DiskView {
    pub name: String,
    pub uuid: String,
    pub path: String,
    pub ready: bool,
    pub allow_scheduling: bool,
    pub evicting: bool,
    pub tags: Vec<String>,
    pub space: DiskSpace,
}

/// A place that a replica of the volume has already.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    pub node: String,
    pub disk_uuid: String,
    /// It is on its way out: its node counts as free when nothing else is.
    pub evicting: bool,
}

/// What is to be placed, with the volume's overrides already resolved against the settings.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub volume: String,
    pub size: ByteSize,
    /// Bytes that will be written at once (a rebuild copies that much); 0 for a new replica.
    pub required: ByteSize,
    pub node_selector: Vec<String>,
    pub disk_selector: Vec<String>,
    pub node_soft: bool,
    pub zone_soft: bool,
    pub disk_soft: bool,
    pub taken: Vec<Taken>,
    /// The only node allowed, if one is given.
    pub only_node: Option<String>,
    /// Tried first, when it can take the replica.
    pub preferred_node: Option<String>,
}

/// What the settings say for all volumes.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub limits: space::Limits,
    pub allow_empty_node_selector: bool,
    pub allow_empty_disk_selector: bool,
}

/// Where the replica goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub node: String,
    pub disk_name: String,
    pub disk_uuid: String,
    pub disk_path: String,
}

/// Finds a place, or says why there is none.
pub fn place(request: &Request, nodes: &[NodeView], rules: &Rules) -> Result<Place, Cause> {
    let (candidates, refusals) = filter::candidates(request, nodes, rules);
    let allowed = by_anti_affinity(request, nodes, &candidates);
    if allowed.is_empty() {
        return Err(explain(request, &candidates, &refusals));
    }
    let preferred: Vec<_> = match &request.preferred_node {
        Some(preferred) => allowed.iter().filter(|candidate| &candidate.node.name == preferred).copied().collect(),
        None => Vec::new(),
    };
    let pool = if preferred.is_empty() { &allowed } else { &preferred };
    match score::most_even(pool, request.size) {
        Some(candidate) => Ok(Place {
            node: candidate.node.name.clone(),
            disk_name: candidate.disk.name.clone(),
            disk_uuid: candidate.disk.uuid.clone(),
            disk_path: candidate.disk.path.clone(),
        }),
        None => Err(explain(request, &candidates, &refusals)),
    }
}

/// The first set of candidates that anti-affinity allows and that is not empty: unused nodes in unused zones, then
/// what the soft rules add; among those, disks without a replica of the volume.
fn by_anti_affinity<'a>(request: &Request, nodes: &[NodeView], candidates: &[Candidate<'a>]) -> Vec<Candidate<'a>> {
    let zone_of = |name: &str| nodes.iter().find(|node| node.name == name).map_or("", |node| node.zone.as_str());
    let used = |with_evicting: bool| -> BTreeSet<&str> {
        let counted = request.taken.iter().filter(|taken| with_evicting || !taken.evicting);
        counted.map(|taken| taken.node.as_str()).collect()
    };
    let (used_nodes, staying_nodes) = (used(true), used(false));
    let used_zones: BTreeSet<&str> = used_nodes.iter().map(|node| zone_of(node)).collect();
    let staying_zones: BTreeSet<&str> = staying_nodes.iter().map(|node| zone_of(node)).collect();

    let unused_node = |candidate: &Candidate<'_>| !used_nodes.contains(candidate.node.name.as_str());
    let leaving_node = |candidate: &Candidate<'_>| !staying_nodes.contains(candidate.node.name.as_str());
    let unused_zone = |candidate: &Candidate<'_>| !used_zones.contains(candidate.node.zone.as_str());
    let leaving_zone = |candidate: &Candidate<'_>| !staying_zones.contains(candidate.node.zone.as_str());

    let pick = |keep: &dyn Fn(&Candidate<'_>) -> bool| -> Vec<Candidate<'a>> {
        let kept: Vec<_> = candidates.iter().filter(|candidate| keep(candidate)).copied().collect();
        by_disk(request, kept)
    };
    let mut choices: Vec<Vec<Candidate<'a>>> = vec![pick(&|c| unused_node(c) && unused_zone(c))];
    match (request.zone_soft, request.node_soft) {
        (false, _) => choices.push(pick(&|c| leaving_node(c) && leaving_zone(c))),
        (true, false) => choices.extend([pick(&unused_node), pick(&leaving_node)]),
        (true, true) => choices.extend([pick(&unused_node), pick(&|_| true)]),
    }
    choices.into_iter().find(|choice| !choice.is_empty()).unwrap_or_default()
}

fn by_disk<'a>(request: &Request, candidates: Vec<Candidate<'a>>) -> Vec<Candidate<'a>> {
    let holds_one =
        |candidate: &Candidate<'_>| request.taken.iter().any(|taken| taken.disk_uuid == candidate.disk.uuid);
    let free: Vec<_> = candidates.iter().filter(|candidate| !holds_one(candidate)).copied().collect();
    if !free.is_empty() || !request.disk_soft { free } else { candidates }
}

/// The cause when no candidate is left: too few nodes when there would be room, else what each disk lacks.
fn explain(request: &Request, candidates: &[Candidate<'_>], refusals: &[Refusal]) -> Cause {
    let taken: BTreeSet<&str> = request.taken.iter().map(|taken| taken.node.as_str()).collect();
    let volume = &request.volume;
    if !candidates.is_empty() {
        let nodes = list(&taken);
        return Cause {
            code: CauseCode::NotEnoughNodes,
            severity: Severity::Warning,
            message: format!(
                "A replica of {volume} needs a node of its own; {nodes} {} one already, and no other node can take it{}.",
                if taken.len() == 1 { "holds" } else { "hold" },
                others(refusals, &taken),
            ),
            next_step: "Add a node, lower the number of replicas, or allow two replicas on one node \
                        (replica-soft-anti-affinity)."
                .to_owned(),
            objects: taken.iter().map(|&node| node.to_owned()).collect(),
            details: Vec::new(),
        };
    }
    // Disks on nodes without a replica are what a person would look at first.
    let mut shown: Vec<&Refusal> = refusals.iter().filter(|refusal| !taken.contains(refusal.node.as_str())).collect();
    if shown.is_empty() {
        shown = refusals.iter().collect();
    }
    let space_is_short = shown.iter().any(|refusal| refusal.code == CauseCode::InsufficientStorage);
    let code = match shown.first() {
        _ if space_is_short => CauseCode::InsufficientStorage,
        Some(refusal) => refusal.code,
        None => CauseCode::NotEnoughNodes,
    };
    Cause {
        code,
        severity: Severity::Warning,
        message: format!("A replica of {volume} needs {}; {}.", request.size, describe(&shown)),
        next_step: next_step(code).to_owned(),
        objects: shown
            .iter()
            .flat_map(|refusal| [refusal.node.clone(), refusal.disk.clone()])
            .filter(|name| !name.is_empty())
            .collect(),
        details: Vec::new(),
    }
}

const fn next_step(code: CauseCode) -> &'static str {
    match code {
        CauseCode::InsufficientStorage => "Add a disk, lower the reservation, or delete volumes that are not needed.",
        CauseCode::DiskPressure => "Free space on the disk, or lower storage-minimal-available-percentage.",
        CauseCode::NodeDown => "Bring the node back: start its instance manager.",
        CauseCode::DiskNotReady => "Check the disk's path on the node.",
        _ => "Allow scheduling on more nodes or disks, or change the volume's selectors.",
    }
}

/// At most this many disks are named in one sentence.
const NAMED_MAXIMUM: usize = 3;

fn describe(refusals: &[&Refusal]) -> String {
    if refusals.is_empty() {
        return "there is no node with a disk".to_owned();
    }
    let mut texts: Vec<String> = refusals.iter().take(NAMED_MAXIMUM).map(|refusal| refusal.text.clone()).collect();
    if refusals.len() > NAMED_MAXIMUM {
        texts.push(format!("{} more can't take it either", refusals.len() - NAMED_MAXIMUM));
    }
    texts.join("; ")
}

fn others(refusals: &[Refusal], taken: &BTreeSet<&str>) -> String {
    let others: Vec<&Refusal> = refusals.iter().filter(|refusal| !taken.contains(refusal.node.as_str())).collect();
    if others.is_empty() { String::new() } else { format!(" ({})", describe(&others)) }
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
