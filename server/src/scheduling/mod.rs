//! Where a replica goes: pure functions over what the nodes' disks are. Every "no" comes with its cause.
//!
//! 1. [`filter`] — which disks may take the replica at all, and which [`rule`] says no to the others;
//! 2. [`anti_affinity`] — in which order the volume's other replicas let candidates be tried;
//! 3. [`score`] — the candidate that keeps the disks most equal;
//! 4. [`causes`] — why there is none;
//! 5. [`balance`] — whether a replica would be better elsewhere, and [`surplus`], which one goes when there is one too
//!    many; both judge by [`spread`];
//! 6. [`space`] and [`filesystem`] — the arithmetic beneath.

mod anti_affinity;
pub mod balance;
#[cfg(test)]
mod balance_tests;
pub mod causes;
mod filesystem;
pub mod filter;
#[cfg(test)]
mod moving_tests;
pub mod rule;
pub mod score;
pub mod space;
pub mod spread;
pub mod surplus;
#[cfg(test)]
mod tests;

use aurochs_api::node::DiskType;
use aurochs_api::size::ByteSize;

use causes::NoPlace;
use filter::Candidate;
use space::DiskSpace;

/// A node as the scheduler sees it.
#[derive(Clone, Debug, Default)]
pub struct NodeView {
    pub name: String,
    pub zone: String,
    pub deleting: bool,
    /// Its instance manager answers.
    pub ready: bool,
    /// Why not, when it is not ready.
    pub not_ready_reason: String,
    pub allow_scheduling: bool,
    /// Why its condition `Schedulable` says no; cordoned, mostly.
    pub unschedulable: Option<String>,
    pub evicting: bool,
    /// The volume's engine image, when it is not ready here.
    pub lacks_engine_image: Option<String>,
    pub tags: Vec<String>,
    pub disks: Vec<DiskView>,
}

/// A disk as the scheduler sees it.
#[derive(Clone, Debug, Default)]
pub struct DiskView {
    pub name: String,
    pub uuid: String,
    pub path: String,
    pub kind: DiskType,
    /// As the instance manager names it; decides how large a volume can be.
    pub filesystem: String,
    pub ready: bool,
    pub allow_scheduling: bool,
    pub evicting: bool,
    /// Why its condition `Schedulable` says no, when it is not for space: that is reckoned anew.
    pub unschedulable: Option<String>,
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

impl Place {
    fn at(candidate: &Candidate<'_>) -> Self {
        Self {
            node: candidate.node.name.clone(),
            disk_name: candidate.disk.name.clone(),
            disk_uuid: candidate.disk.uuid.clone(),
            disk_path: candidate.disk.path.clone(),
        }
    }
}

/// Finds a place, or says why there is none.
pub fn place(request: &Request, nodes: &[NodeView], rules: &Rules) -> Result<Place, NoPlace> {
    let (candidates, refusals) = filter::candidates(request, nodes, rules);
    let allowed = anti_affinity::allowed(request, nodes, &candidates);
    let preferred: Vec<_> = match &request.preferred_node {
        Some(preferred) => allowed.iter().filter(|candidate| &candidate.node.name == preferred).copied().collect(),
        None => Vec::new(),
    };
    let pool = if preferred.is_empty() { &allowed } else { &preferred };
    match score::most_even(pool, request.size) {
        Some(candidate) => Ok(Place::at(&candidate)),
        None => Err(causes::explain(request, nodes, &candidates, refusals)),
    }
}
