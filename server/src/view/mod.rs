//! From resources in the store to the shapes of the API. Pure functions: what they look at is in a [`world::World`].

pub mod audit;
mod backing_image;
mod backup;
mod backup_backing_image;
mod backup_target;
mod backup_volume;
mod causes;
mod children;
mod engine_image;
pub mod envelope;
pub mod event;
pub mod instance_manager;
pub mod job;
pub mod node;
pub mod notification_target;
mod orphan;
pub mod ready;
mod recurring_job;
pub mod setting;
mod shard;
pub mod shown;
pub mod snapshot;
pub mod support_bundle;
mod system_backup;
mod system_restore;
pub mod volume;
mod volume_attachment;
pub mod volume_list;
pub mod world;

use aurochs_api::condition::{Condition, ConditionMap};

use crate::resources::condition;

/// Conditions as REST has them: keyed by their type.
fn condition_map(conditions: &[Condition]) -> ConditionMap {
    conditions.iter().map(|condition| (condition.kind.clone(), condition.clone())).collect()
}

/// What the condition of this type says; empty without one.
fn message_of(conditions: &[Condition], kind: &str) -> String {
    condition::find(conditions, kind).map(|condition| condition.message.clone()).unwrap_or_default()
}
