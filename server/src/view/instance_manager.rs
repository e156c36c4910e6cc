//! An instance manager with its processes.

use std::collections::BTreeMap;

use aurochs_api::instance_manager::InstanceManager as InstanceManagerView;
use aurochs_api::schema::Resource;

use super::causes;
use super::envelope::Links;
use crate::resources::{InstanceManager, Object};

#[must_use]
pub fn resource(manager: &Object<InstanceManager>, links: Links<'_>) -> Resource<InstanceManagerView> {
    let (spec, status) = (&manager.spec, &manager.status);
    let view = InstanceManagerView {
        name: manager.name().to_owned(),
        current_state: status.current_state.word().to_owned(),
        image: spec.image.clone(),
        node_id: spec.node_id.clone(),
        manager_type: spec.kind.clone(),
        data_engine: spec.data_engine.clone(),
        instances: None,
        instance_engines: status.instance_engines.clone(),
        instance_engine_frontends: BTreeMap::new(),
        instance_replicas: status.instance_replicas.clone(),
        causes: causes::of_instance_manager(manager),
    };
    links.thing(manager.name(), view)
}
