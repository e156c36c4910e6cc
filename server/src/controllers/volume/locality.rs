//! Data locality (behaviour.md §3): with best effort, a volume in use gets a replica on the node of its engine, and then
//! one elsewhere goes. Strictly local volumes have their only replica where they are used, and are used nowhere else.

use super::extra::Need;
use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::Error;
use crate::resources::volume::DataLocality;
use crate::resources::{Object, Replica, Volume};

/// The step of one pass.
pub(super) async fn step(
    _: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    findings: &mut Findings,
) -> Result<(), Error> {
    findings.needs.extend(wanted_on(volume, family).map(|node| Need::Local { node }));
    Ok(())
}

/// The node that should get a replica.
fn wanted_on(volume: &Object<Volume>, family: &Family) -> Option<String> {
    let node = &family.engine.spec.node_id;
    let best_effort = volume.spec.data_locality == DataLocality::BestEffort;
    // Attached for maintenance only: nobody reads, and the next workload may run elsewhere.
    let in_use = !volume.spec.disable_frontend && volume.spec.node_id == *node;
    let lacks_one = || !family.whole().any(|replica| replica.spec.node_id == *node);
    (best_effort && in_use && family.is_kept_whole(volume) && lacks_one()).then(|| node.clone())
}

/// Why a strictly local volume can't be attached to this node; none for volumes that can.
#[must_use]
pub fn refusal<'a>(
    volume: &Object<Volume>,
    replicas: impl IntoIterator<Item = &'a Object<Replica>>,
    node: &str,
) -> Option<String> {
    if volume.spec.data_locality != DataLocality::StrictLocal {
        return None;
    }
    let mut placed =
        replicas.into_iter().filter(|replica| !replica.is_deleting() && replica.spec.is_placed()).peekable();
    // Its place is chosen at the first attachment.
    placed.peek()?;
    let homes: Vec<&str> = placed.map(|replica| replica.spec.node_id.as_str()).collect();
    (!homes.contains(&node)).then(|| {
        format!(
            "{} is strictly local: its data is on {}, and it can be attached nowhere else",
            volume.name(),
            homes.join(", ")
        )
    })
}
