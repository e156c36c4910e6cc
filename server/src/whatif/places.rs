//! A node or a disk is emptied, drained, taken away or lost.

use std::collections::BTreeSet;
use std::sync::Arc;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;
use aurochs_api::volume::VolumeState;
use aurochs_api::whatif::{Change, Moment, Question, WhatIf};

use super::picture::Picture;
use super::tally::{Circumstances, Tally, consequences, counted};
use crate::controllers::drain::{self, Obstacle, Policy, ReplicaFacts, Verdict};
use crate::controllers::node::deletion::Stays;
use crate::controllers::volume::cluster::REASON_CORDONED;
use crate::error::ApiError;
use crate::resources::node::{READY, SCHEDULABLE};
use crate::resources::{Engine, Node, Object, Replica, Volume, condition};
use crate::settings::Name;

/// A node, or one of its disks.
struct Site<'a> {
    node: &'a Arc<Object<Node>>,
    /// Name and UUID; none for the whole node.
    disk: Option<(&'a str, &'a str)>,
}

impl<'a> Site<'a> {
    fn of(question: &'a Question, picture: &'a Picture) -> Result<Self, ApiError> {
        let node = picture.node(&question.node)?;
        if !matches!(question.change, Change::EvictDisk | Change::RemoveDisk) {
            return Ok(Self { node, disk: None });
        }
        if question.disk.is_empty() {
            return Err(super::missing("disk", "change=evictDisk&node=node-1&disk=disk-1"));
        }
        if !node.spec.disks.contains_key(&question.disk) {
            let tried = format!("{} of node {}", question.disk, node.name());
            return Err(ApiError::not_found("disk", &tried));
        }
        let uuid = node.status.disk_status.get(&question.disk).map_or("", |disk| disk.disk_uuid.as_str());
        Ok(Self { node, disk: Some((&question.disk, uuid)) })
    }

    fn has(&self, replica: &Object<Replica>) -> bool {
        let spec = &replica.spec;
        let on_disk = self.disk.is_none_or(|(_, uuid)| !uuid.is_empty() && spec.disk_id == uuid);
        !replica.is_deleting() && spec.is_placed() && spec.node_id == self.node.name() && on_disk
    }

    fn names(&self, picture: &Picture, volume: &str) -> BTreeSet<String> {
        let there = picture.replicas_of(volume).filter(|replica| self.has(replica));
        there.map(|replica| replica.name().to_owned()).collect()
    }

    fn text(&self) -> String {
        match self.disk {
            Some((disk, _)) => format!("disk {disk} on {}", self.node.name()),
            None => self.node.name().to_owned(),
        }
    }

    /// Volumes that have a replica there or whose engine is there, by name.
    fn volumes<'p>(&self, picture: &'p Picture, attached: &BTreeSet<String>) -> Vec<&'p Arc<Object<Volume>>> {
        let there = picture.replicas.iter().filter(|replica| self.has(replica));
        let mut names: BTreeSet<&str> = there.map(|replica| replica.spec.volume_name.as_str()).collect();
        names.extend(attached.iter().map(String::as_str));
        names.into_iter().filter_map(|name| picture.volumes.get(name)).filter(|volume| !volume.is_deleting()).collect()
    }
}

fn attached_to(node: &str, picture: &Picture) -> BTreeSet<String> {
    let engines: Vec<Object<Engine>> = picture.engines.values().map(|engine| Object::clone(engine)).collect();
    drain::attached_to(node, &engines)
}

// === emptied ===

/// Eviction or drain: replacements first, so that nothing is worse meanwhile.
pub(super) fn emptied(question: &Question, picture: &Picture) -> Result<WhatIf, ApiError> {
    let site = Site::of(question, picture)?;
    let drains = question.change == Change::DrainNode;
    let policy = Policy::of(&picture.settings.text(Name::NodeDrainPolicy));
    let attached = if drains { attached_to(site.node.name(), picture) } else { BTreeSet::new() };
    let mut tally = Tally::new(picture);
    let verdict = drains.then(|| judge(policy, &site, &attached, picture));
    if let Some(cause) = verdict.as_ref().and_then(|verdict| drain::cause(policy, site.node.name(), verdict)) {
        tally.obstacle(cause);
    }
    let moved = verdict.as_ref().map(|verdict| moved(policy, verdict));
    let mut scene = picture.scene(changed(picture, site.node.name(), |node| close(node, &site, drains, policy)));
    for volume in site.volumes(picture, &attached) {
        let mut prospect = picture.prospect(volume);
        let leaving: BTreeSet<String> = match &moved {
            Some(moved) => site.names(picture, volume.name()).intersection(moved).cloned().collect(),
            None => {
                prospect.to_leave(&scene.nodes).intersection(&site.names(picture, volume.name())).cloned().collect()
            }
        };
        let interrupted = attached.contains(volume.name());
        if leaving.is_empty() && !interrupted {
            continue;
        }
        prospect.evict(&leaving);
        let mut around = Circumstances::new(volume.spec.number_of_replicas, Moment::Now);
        around.touched = leaving;
        around.interrupted = interrupted;
        if interrupted {
            around
                .notes
                .push(format!("It is attached to {} and has to be attached elsewhere before.", site.node.name()));
        }
        if volume.status.state == VolumeState::Detached && !around.touched.is_empty() {
            around.notes.push("It is attached for the move, and detached afterwards.".to_owned());
        }
        tally.add(volume, prospect.unfold(&mut scene), around);
    }
    let word = if drains { "Draining" } else { "Emptying" };
    Ok(tally.done(&scene, |answer| {
        let volumes = counted(answer.volumes.len(), "volume");
        format!("{word} {} concerns {volumes}. {}", site.text(), consequences(answer)).trim().to_owned()
    }))
}

/// The picture's nodes, one of them changed.
fn changed(picture: &Picture, name: &str, change: impl Fn(&mut Object<Node>)) -> Vec<Arc<Object<Node>>> {
    let with = |node: &Arc<Object<Node>>| {
        if node.name() != name {
            return node.clone();
        }
        let mut node = Object::clone(node);
        change(&mut node);
        Arc::new(node)
    };
    picture.nodes.iter().map(with).collect()
}

fn close(node: &mut Object<Node>, site: &Site<'_>, drains: bool, policy: Policy) {
    if drains {
        node.spec.cordoned = true;
        node.status.auto_evicting = policy.evicts();
        condition::set(&mut node.status.conditions, SCHEDULABLE, ConditionStatus::False, REASON_CORDONED, "");
        return;
    }
    match site.disk {
        Some((disk, _)) => {
            if let Some(disk) = node.spec.disks.get_mut(disk) {
                (disk.allow_scheduling, disk.eviction_requested) = (false, true);
            }
        }
        None => (node.spec.allow_scheduling, node.spec.eviction_requested) = (false, true),
    }
}

fn judge(policy: Policy, site: &Site<'_>, attached: &BTreeSet<String>, picture: &Picture) -> Verdict {
    let guards = |node: &&Arc<Object<Node>>| {
        node.name() != site.node.name() && !node.spec.cordoned && condition::is_true(&node.status.conditions, READY)
    };
    let scene = drain::Scene {
        attached: attached.clone(),
        replicas: picture.replicas.iter().map(ReplicaFacts::from).collect(),
        guarding: picture.nodes.iter().filter(guards).map(|node| node.name().to_owned()).collect(),
    };
    drain::judge(policy, site.node.name(), &scene)
}

/// Replicas that keep the node and are moved away by themselves.
fn moved(policy: Policy, verdict: &Verdict) -> BTreeSet<String> {
    let name = |obstacle: &Obstacle| match obstacle {
        Obstacle::Occupied { replica, .. } | Obstacle::LastReplica { replica, .. } => Some(replica.clone()),
        Obstacle::Attached { .. } => None,
    };
    verdict.obstacles.iter().filter(|_| policy.evicts()).filter_map(name).collect()
}

// === lost ===

/// What is on it is gone at once, and is made again elsewhere where that is possible.
pub(super) fn lost(question: &Question, picture: &Picture) -> Result<WhatIf, ApiError> {
    let site = Site::of(question, picture)?;
    let attached = if site.disk.is_none() { attached_to(site.node.name(), picture) } else { BTreeSet::new() };
    let mut tally = Tally::new(picture);
    refusals(&site, &attached, picture).into_iter().for_each(|cause| tally.obstacle(cause));
    let mut scene = picture.scene(without(&site, picture));
    let waits = picture.settings.number(Name::ReplicaReplenishmentWaitInterval) > 0;
    for volume in site.volumes(picture, &attached) {
        let mut prospect = picture.prospect(volume);
        let gone = site.names(picture, volume.name());
        prospect.lose(&gone);
        let in_use = volume.status.state == VolumeState::Attached;
        let when = match (in_use, waits) {
            (false, _) => Moment::WhenAttached,
            (true, true) => Moment::AfterWaiting,
            (true, false) => Moment::Now,
        };
        let mut around = Circumstances::new(volume.spec.number_of_replicas, when);
        around.interrupted = attached.contains(volume.name());
        (around.lost, around.touched) = (gone.clone(), gone);
        tally.add(volume, prospect.unfold(&mut scene), around);
    }
    Ok(tally.done(&scene, |answer| {
        let volumes = counted(answer.volumes.len(), "volume");
        format!("Without {}: {volumes} concerned. {}", site.text(), consequences(answer)).trim().to_owned()
    }))
}

fn without(site: &Site<'_>, picture: &Picture) -> Vec<Arc<Object<Node>>> {
    let Some((disk, _)) = site.disk else {
        return picture.nodes.iter().filter(|node| node.name() != site.node.name()).cloned().collect();
    };
    changed(picture, site.node.name(), |node| {
        node.spec.disks.remove(disk);
        node.status.disk_status.remove(disk);
    })
}

/// What the manager says to whoever would take it away now.
fn refusals(site: &Site<'_>, attached: &BTreeSet<String>, picture: &Picture) -> Vec<Cause> {
    let replicas = picture.replicas.iter().filter(|replica| site.has(replica)).count();
    let schedules = match site.disk {
        Some((disk, _)) => site.node.spec.disks.get(disk).is_some_and(|disk| disk.allow_scheduling),
        None => site.node.spec.allow_scheduling,
    };
    let answers = site.disk.is_none() && condition::is_true(&site.node.status.conditions, READY);
    let mut stays = Vec::new();
    stays.extend(answers.then_some(Stays::Answers));
    stays.extend(schedules.then_some(Stays::TakesReplicas));
    stays.extend((replicas > 0).then_some(Stays::HasReplicas(replicas)));
    stays.extend((!attached.is_empty()).then_some(Stays::HasEngines(attached.len())));
    let told = |stays: Stays| {
        let code = match stays {
            Stays::TakesReplicas => CauseCode::SchedulingDisabled,
            _ => CauseCode::RemovalFailed,
        };
        let message = format!("{} is not taken away now: {stays}.", site.text());
        Cause::new(code, Severity::Warning, message, stays.next_step()).about([site.node.name()])
    };
    stays.into_iter().map(told).collect()
}
