//! A disk's figures and conditions, from what its instance manager found.

use std::collections::BTreeMap;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::ByteSize;
use aurochs_engine::grpc::instance_v1::DiskInspectReply;

use crate::instance::ClientError;
use crate::resources::node::{DiskSpec, DiskStatus, NodeSpec, NodeStatus, READY, SCHEDULABLE};
use crate::resources::{Object, Replica, condition};
use crate::scheduling::space::{DiskSpace, Limits, Shortage};

/// Free space that moved by less than this part of the disk is not written: the store is no place for counters.
const NOTICEABLE_PART: u64 = 1000;

type Inspections = BTreeMap<String, Result<DiskInspectReply, ClientError>>;

/// Brings the status of all disks up to date.
pub(super) fn apply(
    status: &mut NodeStatus,
    spec: &NodeSpec,
    inspections: &Inspections,
    replicas: &[Object<Replica>],
    sharing: &BTreeMap<String, u64>,
    limits: Limits,
) {
    status.disk_status.retain(|name, _| spec.disks.contains_key(name));
    for (name, disk_spec) in &spec.disks {
        let disk = status.disk_status.entry(name.clone()).or_default();
        disk.disk_name.clone_from(name);
        disk.disk_path.clone_from(&disk_spec.path);
        disk.kind = disk_spec.kind;
        disk.causes.clear();
        match inspections.get(name) {
            Some(Ok(inspection)) => take_figures(disk, inspection, sharing),
            Some(Err(error)) => tell_not_ready(disk, &error.to_string()),
            None => continue,
        }
        count_scheduled(disk, replicas);
        tell_schedulable(disk, disk_spec, limits);
    }
}

/// Disks that share a file system count only their share of it, so that the totals over all disks are true.
fn take_figures(disk: &mut DiskStatus, inspection: &DiskInspectReply, sharing: &BTreeMap<String, u64>) {
    if !disk.disk_uuid.is_empty() && disk.disk_uuid != inspection.disk_uuid {
        let message = format!(
            "{} holds another disk now: it was {}, it is {}. Mount the former one again, or remove the disk and add it anew.",
            disk.disk_path, disk.disk_uuid, inspection.disk_uuid
        );
        condition::set(&mut disk.conditions, READY, ConditionStatus::False, "DiskFilesystemChanged", &message);
        disk.causes.push(not_ready(disk, message));
        return;
    }
    let sharers = sharing.get(&inspection.filesystem_id).copied().unwrap_or(1).max(1);
    disk.disk_uuid.clone_from(&inspection.disk_uuid);
    disk.filesystem_type.clone_from(&inspection.filesystem_type);
    disk.filesystem_id.clone_from(&inspection.filesystem_id);
    disk.storage_maximum = ByteSize(inspection.maximum_bytes / sharers);
    let available = inspection.available_bytes / sharers;
    if disk.storage_available.0.abs_diff(available) > disk.storage_maximum.0 / NOTICEABLE_PART {
        disk.storage_available = ByteSize(available);
    }
    condition::set(&mut disk.conditions, READY, ConditionStatus::True, "", "");
}

fn tell_not_ready(disk: &mut DiskStatus, error: &str) {
    let message = format!("The disk {} at {} can't be used: {error}.", disk.disk_name, disk.disk_path);
    condition::set(&mut disk.conditions, READY, ConditionStatus::False, "NoDiskInfo", &message);
    disk.causes.push(not_ready(disk, message));
}

fn not_ready(disk: &DiskStatus, message: String) -> Cause {
    Cause {
        code: CauseCode::DiskNotReady,
        severity: Severity::Error,
        message,
        next_step: "Check that the path is mounted and writable on the node.".to_owned(),
        objects: vec![disk.disk_name.clone()],
        details: Vec::new(),
    }
}

fn count_scheduled(disk: &mut DiskStatus, replicas: &[Object<Replica>]) {
    let here = replicas.iter().filter(|replica| replica.spec.disk_id == disk.disk_uuid && !disk.disk_uuid.is_empty());
    disk.scheduled_replica =
        here.map(|replica| (replica.name().to_owned(), replica.spec.volume_size.bytes())).collect();
    disk.storage_scheduled = disk.scheduled_replica.values().map(|&bytes| ByteSize(bytes)).sum();
}

fn tell_schedulable(disk: &mut DiskStatus, spec: &DiskSpec, limits: Limits) {
    let name = &disk.disk_name;
    let ready = condition::is_true(&disk.conditions, READY);
    let (value, reason, message, code) = match space(disk, spec).check(ByteSize::ZERO, ByteSize::ZERO, limits) {
        _ if !ready => {
            (ConditionStatus::False, "DiskNotReady", format!("The disk {name} is not ready."), CauseCode::DiskNotReady)
        }
        Ok(()) => (ConditionStatus::True, "", String::new(), CauseCode::Other),
        Err(Shortage::Empty) => {
            let message = format!("The disk {name} has no space: its size or its free space is zero.");
            (ConditionStatus::False, "DiskPressure", message, CauseCode::DiskPressure)
        }
        Err(Shortage::Pressure { available, minimum }) => {
            let message = format!("The disk {name} has {available} free, and more than {minimum} must stay free.");
            (ConditionStatus::False, "DiskPressure", message, CauseCode::DiskPressure)
        }
        Err(Shortage::Promised { .. }) => {
            let (scheduled, reserved) = (disk.storage_scheduled, spec.storage_reserved);
            let message =
                format!("The disk {name} has {scheduled} scheduled and {reserved} reserved: more than it may.");
            (ConditionStatus::False, "DiskPressure", message, CauseCode::InsufficientStorage)
        }
    };
    condition::set(&mut disk.conditions, SCHEDULABLE, value, reason, &message);
    if value == ConditionStatus::False && ready {
        disk.causes.push(Cause {
            code,
            severity: Severity::Warning,
            message,
            next_step: "Free space, add a disk, or lower the reservation or storage-minimal-available-percentage."
                .to_owned(),
            objects: vec![disk.disk_name.clone()],
            details: Vec::new(),
        });
    }
}

/// The disk as the space formulas see it.
#[must_use]
pub(in crate::controllers) fn space(disk: &DiskStatus, spec: &DiskSpec) -> DiskSpace {
    DiskSpace {
        maximum: disk.storage_maximum,
        available: disk.storage_available,
        reserved: spec.storage_reserved,
        scheduled: disk.storage_scheduled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_api::size::GIB;

    const LIMITS: Limits = Limits { over_provisioning_percent: 100, minimal_available_percent: 25 };

    fn inspect(available_gib: u64) -> DiskInspectReply {
        DiskInspectReply {
            disk_uuid: "u".into(),
            filesystem_id: "fs".into(),
            maximum_bytes: 300 * GIB,
            available_bytes: available_gib * GIB,
            ..DiskInspectReply::default()
        }
    }

    fn applied(status: &mut NodeStatus, inspection: Result<DiskInspectReply, ClientError>) {
        let spec = NodeSpec { disks: [("d".to_owned(), DiskSpec::default())].into(), ..NodeSpec::default() };
        let inspections = [("d".to_owned(), inspection)].into();
        apply(status, &spec, &inspections, &[], &[("fs".to_owned(), 3)].into(), LIMITS);
    }

    #[test]
    fn three_disks_on_one_file_system_count_a_third_each() {
        let mut status = NodeStatus::default();
        applied(&mut status, Ok(inspect(240)));
        let disk = &status.disk_status["d"];
        assert_eq!((disk.storage_maximum, disk.storage_available), (ByteSize(100 * GIB), ByteSize(80 * GIB)));
        assert!(condition::is_true(&disk.conditions, SCHEDULABLE));
    }

    #[test]
    fn a_full_disk_takes_nothing_and_says_so() {
        let mut status = NodeStatus::default();
        applied(&mut status, Ok(inspect(60)));
        let disk = &status.disk_status["d"];
        assert!(condition::is_true(&disk.conditions, READY) && !condition::is_true(&disk.conditions, SCHEDULABLE));
        assert!(disk.causes[0].message.contains("20 GiB free"), "{:?}", disk.causes);
    }

    #[test]
    fn a_byte_more_or_less_is_not_written() {
        let mut status = NodeStatus::default();
        applied(&mut status, Ok(inspect(240)));
        let before = status.clone();
        let mut moved = inspect(240);
        moved.available_bytes -= 3 << 20;
        applied(&mut status, Ok(moved));
        assert_eq!(status, before);
    }

    #[test]
    fn another_disk_at_the_path_is_noticed() {
        let mut status = NodeStatus::default();
        applied(&mut status, Ok(inspect(240)));
        applied(&mut status, Ok(DiskInspectReply { disk_uuid: "other".into(), ..inspect(240) }));
        let disk = &status.disk_status["d"];
        assert_eq!(condition::find(&disk.conditions, READY).unwrap().reason, "DiskFilesystemChanged");
        assert_eq!(disk.disk_uuid, "u");
    }
}
