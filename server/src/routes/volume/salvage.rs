//! `salvage`: a person decides to go on with these replicas although none with all data can be used.

use aurochs_api::schema::Resource;
use aurochs_api::volume::inputs::SalvageInput;
use aurochs_api::volume::{Robustness, Volume as VolumeView, VolumeState};

use super::action::{self, Target, invalid};
use crate::error::{ApiError, ErrorKind};
use crate::resources::engine::SalvageOrder;
use crate::resources::node::READY;
use crate::resources::{Engine, LABEL_VOLUME, Node, Object, Replica, Volume, condition};

/// Answers with the volume. While a replica with all data can be used after all, the order changes nothing.
pub async fn handle(target: Target, input: SalvageInput) -> Result<Resource<VolumeView>, ApiError> {
    let store = &target.app.store;
    let volume = action::volume(&target).await?;
    check_faulted(&volume)?;
    let replicas = store.list_labelled::<Replica>(LABEL_VOLUME, &target.name).await?;
    let nodes = store.list::<Node>().await?;
    if input.names.is_empty() {
        return Err(invalid(
            format_args!("salvaging volume {} needs replicas: names is empty", target.name),
            names_of(&replicas),
        ));
    }
    for name in &input.names {
        check_replica(&volume, name, &replicas, &nodes)?;
    }
    let engines = store.list_labelled::<Engine>(LABEL_VOLUME, &target.name).await?;
    let Some(engine) = engines.first() else {
        let message = format_args!("volume {} has no engine yet, so there is nothing to salvage", target.name);
        return Err(ApiError::new(ErrorKind::Conflict, message, "Attach it."));
    };
    let order = |engine: &mut Object<Engine>| {
        let number = engine.spec.salvage_order.number.max(engine.status.salvage_answered) + 1;
        engine.spec.salvage_order = SalvageOrder { number, replicas: input.names.clone(), record_generation: None };
        engine.spec.salvage_requested = true;
    };
    store.modify::<Engine>(engine.name(), order).await?;
    tracing::warn!(volume = target.name, replicas = ?input.names, "asked to salvage");
    action::answer(&target).await
}

fn check_faulted(volume: &Object<Volume>) -> Result<(), ApiError> {
    let (name, status) = (volume.name(), &volume.status);
    if status.robustness != Robustness::Faulted {
        let message = format_args!("volume {name} is not faulted, so nothing is salvaged");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Attach it; its replicas with all data are used."));
    }
    if status.state != VolumeState::Detached {
        let message = format_args!("volume {name} is still being detached");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Wait until its state is detached, then try again."));
    }
    Ok(())
}

fn names_of(replicas: &[Object<Replica>]) -> String {
    let names: Vec<&str> = replicas.iter().map(Object::name).collect();
    format!("Its replicas are: {}.", names.join(", "))
}

/// It belongs to the volume, on a node that answers and a disk that takes replicas.
fn check_replica(
    volume: &Object<Volume>,
    name: &str,
    replicas: &[Object<Replica>],
    nodes: &[Object<Node>],
) -> Result<(), ApiError> {
    let Some(replica) = replicas.iter().find(|replica| replica.name() == name && !replica.is_deleting()) else {
        let message = format_args!("volume {} has no replica named {name:?}", volume.name());
        return Err(invalid(message, names_of(replicas)));
    };
    let refuse = |why: std::fmt::Arguments<'_>| {
        let message = format_args!("volume {} can't be salvaged with replica {name}: {why}", volume.name());
        Err(ApiError::new(
            ErrorKind::Conflict,
            message,
            "Choose another replica, or bring this one's node and disk back.",
        ))
    };
    let node_name = &replica.spec.node_id;
    let Some(node) = nodes.iter().find(|node| node.name() == node_name) else {
        return refuse(format_args!("it has no place on a node"));
    };
    if !condition::is_true(&node.status.conditions, READY) {
        return refuse(format_args!("{node_name} is not ready"));
    }
    let disk = node.status.disk_status.iter().find(|(_, disk)| disk.disk_uuid == replica.spec.disk_id);
    let Some((disk, status)) = disk else {
        return refuse(format_args!("its disk is not on {node_name} any more"));
    };
    if !condition::is_true(&status.conditions, READY) {
        return refuse(format_args!("disk {disk} on {node_name} is not ready"));
    }
    if node.spec.disks.get(disk).is_some_and(|spec| !spec.allow_scheduling) {
        return refuse(format_args!("scheduling is switched off for disk {disk} on {node_name}"));
    }
    Ok(())
}
