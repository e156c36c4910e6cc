//! A volume is detached or deleted: who uses it.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::size::ByteSize;
use aurochs_api::volume::VolumeState;
use aurochs_api::whatif::{Moment, Question, WhatIf};

use super::picture::Picture;
use super::tally::{Circumstances, Tally, counted};
use crate::controllers::volume::foresee::{Deed, Future};
use crate::error::ApiError;
use crate::resources::data_source::DataSource;
use crate::resources::{Object, Volume};

/// A rule of the API that says no.
pub(super) fn refusal(volume: &Object<Volume>, error: &ApiError) -> Cause {
    Cause::new(CauseCode::Other, Severity::Warning, &error.message, &error.next_step).about([volume.name()])
}

/// Who holds the volume, a sentence each.
struct Users {
    /// Tickets of workloads.
    tickets: Vec<String>,
    /// Those who read or write it by what is known.
    notes: Vec<String>,
    mounted_at: Vec<String>,
    /// Volumes that are being copied from it.
    copies: Vec<String>,
}

impl Users {
    fn of(volume: &Object<Volume>, picture: &Picture) -> Self {
        let name = volume.name();
        let tickets = picture.attachments.get(name).into_iter().flat_map(|one| one.spec.attachment_tickets.values());
        // What was attached by hand, without an id of its own, has none.
        let ticket = |id: &str, kind: &str, node: &str| {
            let who = [kind, id].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            format!("{who} wants it on {node}.")
        };
        let told = tickets.filter(|ticket| ticket.kind.is_workload());
        let kubernetes = &volume.status.kubernetes_status;
        let mut notes = Vec::new();
        if !kubernetes.pvc_name.is_empty() {
            notes.push(format!(
                "PersistentVolumeClaim {}/{} is bound to it.",
                kubernetes.namespace, kubernetes.pvc_name
            ));
        }
        for workload in kubernetes.workloads_status.iter().flatten() {
            let of = if workload.workload_name.is_empty() {
                String::new()
            } else {
                format!(" of {} {}", workload.workload_type, workload.workload_name)
            };
            notes.push(format!("Pod {}{of} uses it ({}).", workload.pod_name, workload.pod_status));
        }
        let engine = picture.engines.get(name);
        let reads = |other: &&std::sync::Arc<Object<Volume>>| {
            let source = other.spec.data_source.parse::<DataSource>();
            !other.is_deleting() && !other.is_filled() && source.is_ok_and(|source| source.volume.as_str() == name)
        };
        Self {
            tickets: told.map(|one| ticket(&one.id, one.kind.word(), &one.node_id)).collect(),
            notes,
            mounted_at: engine.map(|engine| engine.status.mounted_at.clone()).unwrap_or_default(),
            copies: picture.volumes.values().filter(reads).map(|copy| copy.name().to_owned()).collect(),
        }
    }

    fn mounted(&self, volume: &Object<Volume>) -> Option<Cause> {
        let place = self.mounted_at.first()?;
        let message = format!("{} is mounted at {}.", volume.name(), self.mounted_at.join(", "));
        let next_step = format!("Unmount it first (umount {place}).");
        Some(Cause::new(CauseCode::DetachWaiting, Severity::Warning, message, next_step).about([volume.name()]))
    }

    fn copied(&self, volume: &Object<Volume>) -> Option<Cause> {
        let message = format!("{} is still being copied to {}.", volume.name(), self.copies.join(", "));
        let next_step = "Wait for the copy, or delete that volume first.";
        let cause = Cause::new(CauseCode::DetachWaiting, Severity::Warning, message, next_step);
        (!self.copies.is_empty()).then(|| cause.about([volume.name()]))
    }
}

fn is_in_use(volume: &Object<Volume>) -> bool {
    volume.status.state == VolumeState::Attached && !volume.spec.disable_frontend
}

/// `detach`
pub(super) fn detached(question: &Question, picture: &Picture) -> Result<WhatIf, ApiError> {
    let volume = picture.volume(&question.volume)?;
    let (users, scene, mut tally) = (Users::of(volume, picture), picture.scene_now(), Tally::new(picture));
    [users.mounted(volume), users.copied(volume)].into_iter().flatten().for_each(|cause| tally.obstacle(cause));
    let whole_before = picture.prospect(volume).whole().clone();
    let whole_after = whole_before.len();
    let mut around = Circumstances::new(volume.spec.number_of_replicas, Moment::Now);
    around.interrupted = is_in_use(volume);
    let count = users.tickets.len();
    around.notes = users.tickets.into_iter().chain(users.notes).collect();
    tally.add(volume, Future { whole_before, whole_after, ..Future::default() }, around);
    let name = volume.name();
    Ok(tally.done(&scene, |_| match count {
        0 if volume.status.state == VolumeState::Detached => format!("{name} is detached, and nobody wants it."),
        0 => format!("Nobody wants {name}; it detaches by itself when the manager's own work on it is done."),
        _ => format!("Detaching {name} takes it from {}.", counted(count, "user")),
    }))
}

/// `deleteVolume`
pub(super) fn deleted(question: &Question, picture: &Picture) -> Result<WhatIf, ApiError> {
    let volume = picture.volume(&question.volume)?;
    let (name, users) = (volume.name(), Users::of(volume, picture));
    let (mut scene, mut tally) = (picture.scene_now(), Tally::new(picture));
    if !users.tickets.is_empty() || is_in_use(volume) {
        let message = format!("{name} is attached to {}.", volume.status.current_node_id);
        let next_step = "Unmount it, detach it, then delete it.";
        tally.obstacle(Cause::new(CauseCode::AttachConflict, Severity::Warning, message, next_step).about([name]));
    }
    [users.mounted(volume), users.copied(volume)].into_iter().flatten().for_each(|cause| tally.obstacle(cause));

    let mut prospect = picture.prospect(volume);
    let whole_before = prospect.whole().clone();
    let engine = picture.engines.get(name);
    let data = engine.map(|engine| engine.status.actual_size).unwrap_or_default();
    let freed = ByteSize(data.bytes().saturating_mul(whole_before.len() as u64));
    tally.free(freed, freed);
    let all: Vec<String> = picture.replicas_of(name).map(|replica| replica.name().to_owned()).collect();
    all.iter().for_each(|replica| prospect.remove(replica, &mut scene));
    let deeds = all.into_iter().map(|replica| Deed::Remove { replica }).collect();

    let mut around = Circumstances::new(volume.spec.number_of_replicas, Moment::Now);
    (around.interrupted, around.deleted, around.wished) = (is_in_use(volume), true, 0);
    around.notes = users.tickets.into_iter().chain(users.notes).collect();
    let snapshots = engine.map(|engine| engine.status.snapshots.values().filter(|layer| layer.usercreated).count());
    around.notes.extend(
        snapshots
            .filter(|count| *count > 0)
            .map(|count| format!("It takes {} of users along.", counted(count, "snapshot"))),
    );
    around.notes.push(match volume.status.last_backup.as_str() {
        "" => "It has no backup.".to_owned(),
        backup => format!("Its last backup is {backup}, of {}.", volume.status.last_backup_at),
    });
    tally.add(volume, Future { deeds, whole_before, ..Future::default() }, around);
    Ok(tally.done(&scene, |_| format!("Deleting {name} would free {freed} and what was promised to its replicas.")))
}
