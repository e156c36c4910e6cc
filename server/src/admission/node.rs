//! Nodes: what is emptied takes nothing new, disks go only when they are empty, and nodes only when they are gone.

use aurochs_api::node::{DiskUpdateInput, DiskWish};

use super::Judge;
use super::asked::Asked;
use super::review::Operation;
use crate::controllers::node::deletion;
use crate::error::{ApiError, ErrorKind};
use crate::resources::node::{DiskSpec, READY};
use crate::resources::{Node, Object, condition};
use crate::routes::node::{disk_update, update};

/// Whoever writes it has seen to it that the node is gone.
const BYPASS: &str = "longhorn.io/delete-node-from-longhorn";

pub(super) async fn check(judge: &Judge, asked: &Asked<Node>) -> Result<(), ApiError> {
    match (asked.operation, &asked.before) {
        (Operation::Delete, Some(node)) => check_deletion(judge, node).await,
        (Operation::Update, Some(before)) if !asked.is_going() && before.spec != asked.object.spec => {
            check_change(judge, before, &asked.object).await
        }
        _ => Ok(()),
    }
}

async fn check_change(judge: &Judge, before: &Object<Node>, after: &Object<Node>) -> Result<(), ApiError> {
    if let Some(refusal) = update::eviction_refusal(after) {
        return Err(refusal);
    }
    update::tags(&after.spec.tags)?;
    if before.spec.disks == after.spec.disks {
        return Ok(());
    }
    let disks = after.spec.disks.iter().map(|(name, disk)| (name.clone(), wish(disk))).collect();
    disk_update::judged(&judge.store, &judge.premises, before, &DiskUpdateInput { disks }).await.map(drop)
}

fn wish(disk: &DiskSpec) -> DiskWish {
    DiskWish {
        path: disk.path.clone(),
        disk_type: disk.kind,
        disk_driver: disk.disk_driver.clone(),
        allow_scheduling: disk.allow_scheduling,
        eviction_requested: disk.eviction_requested,
        storage_reserved: disk.storage_reserved,
        tags: disk.tags.clone(),
    }
}

async fn check_deletion(judge: &Judge, node: &Object<Node>) -> Result<(), ApiError> {
    if node.is_deleting() || node.metadata.annotations.contains_key(BYPASS) {
        return Ok(());
    }
    let answers = condition::is_true(&node.status.conditions, READY);
    match deletion::obstacle(&judge.store, node, answers).await? {
        None => Ok(()),
        Some(stays) => {
            let message = format_args!("node {} is not removed: {stays}", node.name());
            Err(ApiError::new(ErrorKind::Conflict, message, stays.next_step()))
        }
    }
}
