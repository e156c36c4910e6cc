//! From resources in the store to the shapes of the API. Pure functions: what they look at is in a [`world::World`].

mod children;
pub mod envelope;
pub mod instance_manager;
pub mod node;
pub mod ready;
pub mod schemas;
pub mod setting;
pub mod snapshot;
pub mod volume;
pub mod volume_list;
pub mod world;

use aurochs_api::condition::{Condition, ConditionMap};

/// Conditions as REST has them: keyed by their type.
fn condition_map(conditions: &[Condition]) -> ConditionMap {
    conditions.iter().map(|condition| (condition.kind.clone(), condition.clone())).collect()
}
