//! What is wrong with the world: everything that is not as it was asked to be, and everything that has no owner.

use std::collections::BTreeSet;

use aurochs_api::replica::ReplicaMode;
use aurochs_engine::grpc::instance_v1::{InstanceKind, InstanceState as Told};
use aurochs_server::resources::engine::InstanceState;
use aurochs_server::resources::volume::{CloneState, LABEL_RECURRING_JOB, Robustness, VolumeState};
use aurochs_server::resources::{Engine, Object, Replica, Snapshot, Volume};

use crate::model::{BLOCKS, Model, Place, VolumeModel};
use crate::nbd::Nbd;
use crate::operations::{EVICTED_DISK_NODE, EVICTED_NODE, JOB, TAGGED_NODE};
use crate::process::NODES;
use crate::world::{World, block_of};

const MIB: u64 = 1 << 20;

/// Everything that is wrong, as sentences.
pub(crate) fn problems(world: &World, model: &Model) -> Vec<String> {
    let mut wrong = Vec::new();
    for volume in &model.volumes {
        volume_problems(world, model, volume, &mut wrong);
    }
    ownerless(world, &mut wrong);
    processes(world, &mut wrong);
    files(world, &mut wrong);
    the_rest(world, model, &mut wrong);
    wrong
}

fn volume_problems(world: &World, model: &Model, expected: &VolumeModel, wrong: &mut Vec<String>) {
    let name = &expected.name;
    let Some(volume) = world.volumes.get(name) else {
        if !expected.exists.admits(&false) {
            wrong.push(format!("volume {name} is gone"));
        }
        return;
    };
    if !expected.exists.admits(&true) || volume.is_deleting() {
        wrong.push(format!("volume {name} is still there: {:?}", volume.status.causes));
        return;
    }
    if !expected.mebibytes.admits(&(volume.spec.size.bytes() / MIB)) {
        wrong.push(format!("{name} is to have {} and not {} MiB", expected.mebibytes, volume.spec.size.bytes() / MIB));
    }
    if !expected.replicas.admits(&volume.spec.number_of_replicas) {
        wrong.push(format!("{name} is to have {} replicas", expected.replicas));
    }
    let in_job = volume.metadata.labels.contains_key(&format!("{LABEL_RECURRING_JOB}{JOB}"));
    if !expected.in_job.admits(&in_job) {
        wrong.push(format!("{name} takes part in the job: {in_job}, wanted {}", expected.in_job));
    }
    if expected.filled_from.is_some() && volume.status.clone_status.state != CloneState::Completed {
        wrong.push(format!("{name} is not filled: {:?} {:?}", volume.status.clone_status, volume.status.causes));
    }
    if volume.status.expansion_required {
        wrong.push(format!("{name} is still to grow"));
    }
    let Some(place) = place(world, expected, wrong) else { return };
    let engines: Vec<_> = world.engines.iter().filter(|engine| engine.spec.volume_name == *name).collect();
    let [engine] = engines.as_slice() else {
        wrong.push(format!("{name} has {} engines", engines.len()));
        return;
    };
    let replicas: Vec<_> = world.replicas.iter().filter(|replica| replica.spec.volume_name == *name).collect();
    let before = wrong.len();
    match &place {
        Some(place) => attached(volume, engine, &replicas, place, wrong),
        None => detached(volume, engine, &replicas, wrong),
    }
    for (node, is_evicted) in [(EVICTED_NODE, &model.evicted), (EVICTED_DISK_NODE, &model.disk_evicted)] {
        let is_there = replicas.iter().any(|replica| replica.spec.node_id == node);
        if is_evicted.certain() == Some(&true) && is_there {
            wrong.push(format!("{name} has a replica on {node}, which is evicted"));
        }
    }
    snapshots(world, expected, engine, place.is_some(), wrong);
    if wrong.len() > before && !volume.status.causes.is_empty() {
        wrong.push(format!("  causes of {name}: {:?}", volume.status.causes));
    }
}

/// Where it is wanted, by its tickets, which have to be those that were asked for.
fn place(world: &World, expected: &VolumeModel, wrong: &mut Vec<String>) -> Option<Option<Place>> {
    let name = &expected.name;
    let Some(attachment) = world.attachments.iter().find(|attachment| attachment.name() == name) else {
        wrong.push(format!("{name} has no attachment resource"));
        return None;
    };
    let (own, others): (Vec<_>, Vec<_>) =
        attachment.spec.attachment_tickets.iter().partition(|(key, _)| key.is_empty());
    for (key, ticket) in others {
        wrong.push(format!("{name} has a ticket {key:?} of {:?} on {}", ticket.kind, ticket.node_id));
    }
    let place = own.first().map(|(_, ticket)| Place {
        node: ticket.node_id.clone(),
        maintenance: ticket.parameters.get("disableFrontend").is_some_and(|word| word == "true"),
    });
    if !expected.place.admits(&place) {
        wrong.push(format!("{name} is wanted at {place:?} instead of {}", expected.place));
    }
    Some(place)
}

fn attached(
    volume: &Object<Volume>,
    engine: &Object<Engine>,
    replicas: &[&Object<Replica>],
    place: &Place,
    wrong: &mut Vec<String>,
) {
    let (name, status) = (volume.name(), &volume.status);
    if status.state != VolumeState::Attached || status.robustness != Robustness::Healthy {
        wrong.push(format!("{name} is {:?} and {:?}, to be attached", status.state, status.robustness));
        return;
    }
    if status.current_node_id != place.node || engine.spec.node_id != place.node {
        wrong.push(format!("{name} is attached to {} instead of {}", status.current_node_id, place.node));
    }
    let told = &engine.status;
    if told.current_state != InstanceState::Running || told.current_size != volume.spec.size {
        wrong.push(format!("{}: {:?} with {}", engine.name(), told.current_state, told.current_size));
    }
    if told.nbd_uri.is_empty() != place.maintenance {
        wrong.push(format!("{name} is offered at {:?}, for {place:?}", told.nbd_uri));
    }
    if replicas.len() != volume.spec.number_of_replicas as usize {
        wrong.push(format!("{name} has {} replicas", replicas.len()));
    }
    let names: BTreeSet<&str> = replicas.iter().map(|replica| replica.name()).collect();
    let in_engine: BTreeSet<&str> = told.replica_mode_map.keys().map(String::as_str).collect();
    if names != in_engine || told.replica_mode_map.values().any(|mode| *mode != ReplicaMode::ReadWrite) {
        wrong.push(format!("{name} has {names:?}, its engine {:?}", told.replica_mode_map));
    }
    let nodes: BTreeSet<&str> = replicas.iter().map(|replica| replica.spec.node_id.as_str()).collect();
    if nodes.len() != replicas.len() {
        wrong.push(format!("{name} has several replicas on one of {nodes:?}"));
    }
    for replica in replicas {
        if replica.status.current_state != InstanceState::Running || replica.spec.has_failed() {
            wrong.push(format!("{}: {:?} {:?}", replica.name(), replica.status.current_state, replica.spec.failed_at));
        }
        if replica.spec.volume_size != volume.spec.size {
            wrong.push(format!("{}: {} of {}", replica.name(), replica.spec.volume_size, volume.spec.size));
        }
    }
}

fn detached(volume: &Object<Volume>, engine: &Object<Engine>, replicas: &[&Object<Replica>], wrong: &mut Vec<String>) {
    let (name, status) = (volume.name(), &volume.status);
    if status.state != VolumeState::Detached || status.robustness == Robustness::Faulted {
        wrong.push(format!("{name} is {:?} and {:?}, to be detached", status.state, status.robustness));
    }
    if engine.status.current_state != InstanceState::Stopped {
        wrong.push(format!("{} is {:?}", engine.name(), engine.status.current_state));
    }
    if replicas.is_empty() {
        wrong.push(format!("{name} has no replica"));
    }
    for replica in replicas.iter().filter(|replica| replica.status.current_state != InstanceState::Stopped) {
        wrong.push(format!("{} is {:?}", replica.name(), replica.status.current_state));
    }
}

fn snapshots(
    world: &World,
    expected: &VolumeModel,
    engine: &Object<Engine>,
    is_attached: bool,
    wrong: &mut Vec<String>,
) {
    for (name, snapshot) in &expected.snapshots {
        let resource = world.snapshots.iter().find(|one| one.name() == name && one.spec.volume == expected.name);
        let layer = engine.status.snapshots.get(name);
        match snapshot.exists.certain() {
            Some(true) => match resource {
                None => wrong.push(format!("snapshot {name} of {} is gone", expected.name)),
                // The resource was made, and the manager died before it told of the layer: it is told at the next
                // attachment.
                Some(one) if !is_attached && layer.is_some() && one.status == Default::default() => {}
                Some(one) if one.is_deleting() || !one.status.ready_to_use => {
                    wrong.push(format!("snapshot {name} of {} is not kept: {:?}", expected.name, one.status));
                }
                Some(_) if is_attached && layer.is_none_or(|layer| layer.removed) => {
                    wrong.push(format!("the engine of {} has no snapshot {name}: {layer:?}", expected.name));
                }
                Some(_) => {}
            },
            Some(false) => match resource {
                Some(one) if is_attached && !is_on_its_way_out(one) => {
                    wrong.push(format!("snapshot {name} of {} is still there: {:?}", expected.name, one.status));
                }
                None if is_attached && layer.is_some_and(|layer| !layer.removed) => {
                    wrong.push(format!("the engine of {} has snapshot {name}", expected.name));
                }
                _ => {}
            },
            None => {}
        }
    }
    let copies = engine.status.snapshots.values().filter(|layer| layer.name.starts_with("clone-") && !layer.removed);
    for copy in copies.filter(|_| is_attached) {
        wrong.push(format!("{} keeps {} of a copy", expected.name, copy.name));
    }
}

/// Where only the head stands on it, or several do, it stays, and says so itself. One that was only marked, and whose
/// resource nobody deleted, waits for a purge.
fn is_on_its_way_out(snapshot: &Object<Snapshot>) -> bool {
    if snapshot.is_deleting() { !snapshot.status.error.is_empty() } else { snapshot.status.mark_removed }
}

fn ownerless(world: &World, wrong: &mut Vec<String>) {
    let mut check = |kind: &str, name: &str, volume: &str, is_deleting: bool| {
        if !world.volumes.contains_key(volume) {
            wrong.push(format!("{kind} {name} is of volume {volume:?}, which is not there"));
        } else if is_deleting {
            wrong.push(format!("{kind} {name} is still to go"));
        }
    };
    for one in &world.engines {
        check("Engine", one.name(), &one.spec.volume_name, one.is_deleting());
    }
    for one in &world.replicas {
        check("Replica", one.name(), &one.spec.volume_name, one.is_deleting());
    }
    for one in &world.attachments {
        check("VolumeAttachment", one.name(), &one.spec.volume, one.is_deleting());
    }
    for one in &world.snapshots {
        // Whether one that is to go may stay is judged with its volume.
        check("Snapshot", one.name(), &one.spec.volume, false);
    }
    for one in &world.orphans {
        wrong.push(format!("orphan {}: {:?} {:?}", one.name(), one.spec, one.status));
    }
}

/// Each process has a resource that wants it, and each that is wanted runs.
fn processes(world: &World, wrong: &mut Vec<String>) {
    let is_attached =
        |volume: &str| world.volumes.get(volume).is_some_and(|volume| volume.status.state == VolumeState::Attached);
    for running in &world.instances {
        let (name, told) = (&running.told.name, &running.told);
        let is_wanted = match told.kind() {
            InstanceKind::Engine => world.engines.iter().any(|engine| {
                engine.name() == name && engine.spec.node_id == running.node && is_attached(&engine.spec.volume_name)
            }),
            _ => world.replicas.iter().any(|replica| {
                replica.name() == name && replica.spec.node_id == running.node && is_attached(&replica.spec.volume_name)
            }),
        };
        if !is_wanted || told.state() != Told::Running {
            wrong.push(format!("instance {name} on {}: {:?}, wanted: {is_wanted}", running.node, told.state()));
        }
    }
    let told: BTreeSet<u32> = world.instances.iter().map(|running| running.told.pid).collect();
    let unknown: Vec<&u32> = world.processes.iter().filter(|pid| !told.contains(pid)).collect();
    if unknown.len() != NODES as usize {
        wrong.push(format!("{} processes are no instances, for {NODES} instance managers: {unknown:?}", unknown.len()));
    }
    for gone in told.difference(&world.processes) {
        wrong.push(format!("process {gone} of an instance is not there"));
    }
}

fn files(world: &World, wrong: &mut Vec<String>) {
    let wanted: BTreeSet<(String, String)> = world
        .replicas
        .iter()
        .map(|replica| (replica.spec.node_id.clone(), replica.spec.data_directory_name.clone()))
        .collect();
    for (node, directory) in world.directories.difference(&wanted) {
        wrong.push(format!("directory {directory} on {node} is no replica's"));
    }
    for record in &world.records {
        let volume = record.split('.').next().unwrap_or_default();
        if !world.volumes.contains_key(volume) || record.ends_with(".tmp") {
            wrong.push(format!("record {record} is no volume's"));
        }
    }
}

fn the_rest(world: &World, model: &Model, wrong: &mut Vec<String>) {
    let job = world.jobs.iter().any(|job| job.name() == JOB);
    if !model.job.admits(&job) {
        wrong.push(format!("the recurring job is there: {job}"));
    }
    for (name, value) in &model.settings {
        if !world.settings.get(*name).is_some_and(|now| value.admits(now)) {
            wrong.push(format!("setting {name} is {:?}, wanted {value}", world.settings.get(*name)));
        }
    }
    if !world.nodes.get(TAGGED_NODE).is_some_and(|node| model.tags.admits(&node.spec.tags)) {
        wrong.push(format!("the tags of {TAGGED_NODE} are not {}", model.tags));
    }
    let evicted = world.nodes.get(EVICTED_NODE).map(|node| &node.spec);
    if !evicted.is_some_and(|spec| model.evicted.admits(&spec.eviction_requested)) {
        wrong.push(format!("{EVICTED_NODE} is evicted: {evicted:?}"));
    }
    let disks = world.nodes.get(EVICTED_DISK_NODE).map(|node| &node.spec.disks);
    let is_evicted = disks.is_some_and(|disks| disks.values().any(|disk| disk.eviction_requested));
    if !model.disk_evicted.admits(&is_evicted) {
        wrong.push(format!("the disks of {EVICTED_DISK_NODE}: {disks:?}"));
    }
}

/// Volumes of which a person has to say what to go on with: those that come back by themselves are not among them.
pub(crate) fn faulted(world: &World) -> Vec<String> {
    if world.settings.get("auto-salvage").is_some_and(|value| value == "true") {
        return Vec::new();
    }
    let is_faulted = |volume: &&Object<Volume>| {
        volume.status.robustness == Robustness::Faulted && volume.status.state == VolumeState::Detached
    };
    world.volumes.values().filter(is_faulted).map(|volume| volume.name().to_owned()).collect()
}

/// What was possible is now what is. Contents are settled where they can be read.
pub(crate) fn settle(world: &World, model: &mut Model) -> Vec<String> {
    let mut wrong = Vec::new();
    for expected in &mut model.volumes {
        let name = expected.name.clone();
        let Some(volume) = world.volumes.get(&name) else {
            *expected = VolumeModel::absent(&name);
            continue;
        };
        expected.exists.settle(true);
        expected.mebibytes.settle(volume.spec.size.bytes() / MIB);
        expected.replicas.settle(volume.spec.number_of_replicas);
        let place = place(world, expected, &mut Vec::new()).flatten();
        let is_offered = place.as_ref().is_some_and(|place| !place.maintenance);
        expected.place.settle(place);
        expected.filled_from = None;
        let there: BTreeSet<&str> = world
            .snapshots
            .iter()
            .filter(|one| one.spec.volume == name && !one.is_deleting() && !one.status.mark_removed)
            .map(Object::name)
            .collect();
        expected.snapshots.retain(|snapshot, _| there.contains(snapshot.as_str()));
        for snapshot in expected.snapshots.values_mut() {
            snapshot.exists.settle(true);
            snapshot.outstanding = false;
            snapshot.has_resource = true;
        }
        let engine = world.engines.iter().find(|engine| engine.spec.volume_name == name);
        if let Some(engine) = engine.filter(|_| is_offered) {
            read(expected, &engine.status.nbd_uri, &mut wrong);
        }
    }
    if let Some(node) = world.nodes.get(TAGGED_NODE) {
        model.tags.settle(node.spec.tags.clone());
    }
    if let Some(node) = world.nodes.get(EVICTED_NODE) {
        model.evicted.settle(node.spec.eviction_requested);
    }
    if let Some(node) = world.nodes.get(EVICTED_DISK_NODE) {
        model.disk_evicted.settle(node.spec.disks.values().any(|disk| disk.eviction_requested));
    }
    for (name, value) in &mut model.settings {
        value.settle(world.settings[*name].clone());
    }
    model.job.settle(world.jobs.iter().any(|job| job.name() == JOB));
    wrong
}

/// Every block holds what was last written to it.
fn read(expected: &mut VolumeModel, uri: &str, wrong: &mut Vec<String>) {
    let mut nbd = match Nbd::connect(uri) {
        Ok(nbd) => nbd,
        Err(error) => return wrong.push(format!("{} can't be read at {uri:?}: {error}", expected.name)),
    };
    for block in 0..BLOCKS {
        let length = block_of(0).len();
        let found = match nbd.read(block as u64 * MIB, length) {
            Ok(found) => found,
            Err(error) => return wrong.push(format!("block {block} of {} can't be read: {error}", expected.name)),
        };
        let mark = u16::from_be_bytes([found[0], found[1]]);
        if found != block_of(mark) || !expected.content[block].contains(&mark) {
            let wanted = &expected.content[block];
            wrong.push(format!("block {block} of {} holds {mark} instead of {wanted:?}", expected.name));
        }
        expected.content[block] = [mark].into();
    }
}
