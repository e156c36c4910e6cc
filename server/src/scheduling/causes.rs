//! Refusals in one sentence, in Longhorn's words, and for every disk that was looked at in numbers.

use std::collections::BTreeSet;

use aurochs_api::cause::{Cause, CauseCode, CauseDetail, Severity};

use super::filter::{Candidate, Refusal};
use super::rule::Rule;
use super::{NodeView, Request, anti_affinity};

/// Why a replica has no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPlace {
    /// In a box: it is many times what a place is.
    pub cause: Box<Cause>,
    /// Longhorn's reasons of all refusals, each once: the beginning of the condition's message.
    pub reasons: String,
}

impl NoPlace {
    /// What the condition `Scheduled` says: Longhorn's words first, for those who look for them, then ours.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{}: {}", self.reasons, self.cause.message)
    }
}

/// At most this many disks are named in one sentence; the details have all.
const NAMED_MAXIMUM: usize = 3;
/// At most this many disks are listed: a cause is stored with every volume that has it.
const DETAILS_MAXIMUM: usize = 256;

/// Called when `candidates` could take the replica by themselves and anti-affinity allows none of them.
pub(super) fn explain(
    request: &Request,
    nodes: &[NodeView],
    candidates: &[Candidate<'_>],
    refusals: Vec<Refusal>,
) -> NoPlace {
    let blocked = anti_affinity::refusals(request, nodes, candidates);
    let cause = if blocked.is_empty() { unfit(request, &refusals) } else { too_close(request, &blocked, &refusals) };
    let all: Vec<Refusal> = blocked.into_iter().chain(refusals).collect();
    let words: BTreeSet<&str> = all.iter().map(|refusal| refusal.rule.longhorn()).collect();
    let reasons = if words.is_empty() { "nodes are unavailable".to_owned() } else { join(words, "; ") };
    NoPlace { cause: Box::new(Cause { details: details(&all), ..cause }), reasons }
}

/// There is room, but only beside another replica of the volume.
fn too_close(request: &Request, blocked: &[Refusal], refusals: &[Refusal]) -> Cause {
    let taken = taken_nodes(request);
    let has = |rule: Rule| blocked.iter().any(|refusal| refusal.rule == rule);
    let (unit, setting) = if has(Rule::DiskAntiAffinity) {
        ("disk", "replica-disk-soft-anti-affinity")
    } else if has(Rule::ZoneAntiAffinity) {
        ("zone", "replica-zone-soft-anti-affinity")
    } else {
        ("node", "replica-soft-anti-affinity")
    };
    let verb = if taken.len() == 1 { "holds" } else { "hold" };
    Cause {
        code: CauseCode::NotEnoughNodes,
        severity: Severity::Warning,
        message: format!(
            "A replica of {} needs a {unit} of its own; {} {verb} one already, and no other {unit} can take it{}.",
            request.volume,
            join(taken.iter().copied(), ", "),
            others(refusals, &taken),
        ),
        next_step: format!(
            "Add a {unit}, lower the number of replicas, or allow two replicas on one {unit} ({setting})."
        ),
        objects: taken.iter().map(|&node| node.to_owned()).collect(),
        details: Vec::new(),
    }
}

/// No disk could take it even if the volume had no other replica.
fn unfit(request: &Request, refusals: &[Refusal]) -> Cause {
    let taken = taken_nodes(request);
    // What a person would look at first: not the nodes that are out anyway, then those without a replica.
    let mut shown: Vec<&Refusal> = refusals.iter().filter(|one| one.rule != Rule::HardAffinity).collect();
    if shown.is_empty() {
        shown = refusals.iter().collect();
    }
    if shown.iter().any(|refusal| !taken.contains(refusal.node.as_str())) {
        shown.retain(|refusal| !taken.contains(refusal.node.as_str()));
    }
    let space_is_short = shown.iter().any(|refusal| refusal.rule == Rule::PromisedSpace);
    let code = match shown.first() {
        _ if space_is_short => CauseCode::InsufficientStorage,
        Some(refusal) => refusal.rule.code(),
        None => CauseCode::NotEnoughNodes,
    };
    let place = request.only_node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    let objects = shown.iter().flat_map(|refusal| [refusal.node.clone(), refusal.disk.clone()]);
    Cause {
        code,
        severity: Severity::Warning,
        message: format!("A replica of {} needs {}{place}; {}.", request.volume, request.size, describe(&shown)),
        next_step: next_step(code).to_owned(),
        objects: objects.filter(|name| !name.is_empty()).collect(),
        details: Vec::new(),
    }
}

fn taken_nodes(request: &Request) -> BTreeSet<&str> {
    request.taken.iter().map(|taken| taken.node.as_str()).collect()
}

const fn next_step(code: CauseCode) -> &'static str {
    match code {
        CauseCode::InsufficientStorage => "Add a disk, lower the reservation, or delete volumes that are not needed.",
        CauseCode::DiskPressure => "Free space on the disk, or lower storage-minimal-available-percentage.",
        CauseCode::NodeDown => "Bring the node back: start its instance manager.",
        CauseCode::DiskNotReady => "Check the disk's path on the node.",
        CauseCode::FilesystemUnsupported => "Add a disk with XFS, or make the volume smaller.",
        CauseCode::SelectorMismatch => "Give more nodes or disks the tags, or change the volume's selectors.",
        CauseCode::Evicting => "Cancel the eviction, or add a node or a disk that is not being emptied.",
        CauseCode::Environment => "Wait until the engine image is ready on the node.",
        _ => "Allow scheduling on more nodes or disks, or change the volume's selectors.",
    }
}

fn details(refusals: &[Refusal]) -> Vec<CauseDetail> {
    let detail = |refusal: &Refusal| CauseDetail {
        node: refusal.node.clone(),
        disk: refusal.disk.clone(),
        rule: refusal.rule.word().to_owned(),
        wanted_bytes: refusal.bytes.map(|bytes| bytes.wanted.bytes()),
        has_bytes: refusal.bytes.map(|bytes| bytes.has.bytes()),
        text: refusal.text.clone(),
    };
    refusals.iter().take(DETAILS_MAXIMUM).map(detail).collect()
}

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

fn join<'a>(words: impl IntoIterator<Item = &'a str>, between: &str) -> String {
    words.into_iter().collect::<Vec<_>>().join(between)
}
