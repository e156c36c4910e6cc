//! A disk's figures and conditions, from what its instance manager found.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurochs_api::cause::{Cause, CauseCode, CauseDetail, Severity};
use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::ByteSize;
use aurochs_engine::grpc::instance_v1::DiskInspectReply;

use super::trouble::{self, Look, Recorded, Trouble};
use crate::resources::node::{DiskSpec, DiskStatus, ERROR, NodeSpec, NodeStatus, READY, SCHEDULABLE};
use crate::resources::{BackingImage, Object, Replica, condition};
use crate::scheduling::space::{DiskSpace, Limits, Shortage};

/// Free space that moved by less than this part of the disk is not written: the store is no place for counters.
const NOTICEABLE_PART: u64 = 1000;

/// What is known beside the looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) replicas: &'a [Object<Replica>],
    pub(super) images: &'a [Arc<Object<BackingImage>>],
    /// File system to how many disks of all nodes lie on it.
    pub(super) sharing: &'a BTreeMap<String, u64>,
    /// Identities that are recorded for disks of other nodes: UUID to node and disk.
    pub(super) identities: &'a BTreeMap<String, (String, String)>,
    /// The path that the product itself chose; it need not be a mounted disk.
    pub(super) default_path: Option<&'a str>,
    pub(super) limits: Limits,
}

/// Brings the status of all disks up to date.
pub(super) fn apply(
    status: &mut NodeStatus,
    node: &str,
    spec: &NodeSpec,
    looks: &BTreeMap<String, Look>,
    around: Surroundings<'_>,
) {
    status.disk_status.retain(|name, _| spec.disks.contains_key(name));
    let mut known = Known::of(node, spec, status, around.identities);
    for (name, disk_spec) in &spec.disks {
        let disk = status.disk_status.entry(name.clone()).or_default();
        disk.disk_name.clone_from(name);
        disk.disk_path.clone_from(&disk_spec.path);
        disk.kind = disk_spec.kind;
        disk.disk_driver.clone_from(&disk_spec.disk_driver);
        disk.causes.clear();
        let Some(look) = looks.get(name) else { continue };
        let uuid = disk.disk_uuid.clone();
        let found_uuid = look.found().map_or(uuid.as_str(), |found| found.disk_uuid.as_str());
        let twin = known.twin(found_uuid, node, name);
        let twin = twin.as_ref().map(|(node, disk)| (node.as_str(), disk.as_str()));
        match (trouble::of(Recorded { node, name, spec: disk_spec, uuid: &uuid, twin }, look), look) {
            (Some(trouble), _) => tell_trouble(disk, trouble),
            (None, Look::Found(found)) => {
                take_figures(disk, found, around.sharing);
                known.note(&found.disk_uuid, node, name);
                warn_of_neighbours(disk, found, &mut known, around.default_path);
                warn_of_unnamed(disk, found);
            }
            (None, Look::NodeSilent(_) | Look::Failed(_)) => {}
        }
        count_scheduled(disk, around.replicas, around.images);
        tell_schedulable(disk, disk_spec, around.limits);
        disk.causes.extend(being_emptied(disk, node, spec.eviction_requested || disk_spec.eviction_requested));
    }
}

/// Identities and file systems that were met.
struct Known {
    identities: BTreeMap<String, (String, String)>,
    /// File system to the first disk of this node on it.
    filesystems: BTreeMap<String, String>,
}

impl Known {
    /// Those of other nodes and those recorded for this one; of two disks with one identity the first by name has it.
    fn of(node: &str, spec: &NodeSpec, status: &NodeStatus, others: &BTreeMap<String, (String, String)>) -> Self {
        let mut identities = others.clone();
        for name in spec.disks.keys() {
            let uuid = status.disk_status.get(name).map(|disk| disk.disk_uuid.as_str()).unwrap_or_default();
            let own = (node.to_owned(), name.clone());
            if !uuid.is_empty() && identities.get(uuid).is_none_or(|other| own < *other) {
                identities.insert(uuid.to_owned(), own);
            }
        }
        Self { identities, filesystems: BTreeMap::new() }
    }

    /// Who else has this identity.
    fn twin(&self, uuid: &str, node: &str, disk: &str) -> Option<(String, String)> {
        let owner = self.identities.get(uuid)?;
        (!uuid.is_empty() && (owner.0 != node || owner.1 != disk)).then(|| owner.clone())
    }

    fn note(&mut self, uuid: &str, node: &str, disk: &str) {
        self.identities.entry(uuid.to_owned()).or_insert_with(|| (node.to_owned(), disk.to_owned()));
    }
}

/// Disks that share a file system count only their share of it, so that the totals over all disks are true.
fn take_figures(disk: &mut DiskStatus, found: &DiskInspectReply, sharing: &BTreeMap<String, u64>) {
    let sharers = sharing.get(&found.filesystem_id).copied().unwrap_or(1).max(1);
    disk.disk_uuid.clone_from(&found.disk_uuid);
    disk.filesystem_type.clone_from(&found.filesystem_type);
    disk.filesystem_id.clone_from(&found.filesystem_id);
    disk.maximum_file_size = ByteSize(found.maximum_file_bytes);
    disk.storage_maximum = ByteSize(found.maximum_bytes / sharers);
    let available = found.available_bytes / sharers;
    if disk.storage_available.0.abs_diff(available) > disk.storage_maximum.0 / NOTICEABLE_PART {
        disk.storage_available = ByteSize(available);
    }
    condition::set(&mut disk.conditions, READY, ConditionStatus::True, "", "");
    if condition::is_true(&disk.conditions, ERROR) {
        condition::set(&mut disk.conditions, ERROR, ConditionStatus::False, "", "");
    }
}

fn tell_trouble(disk: &mut DiskStatus, trouble: Trouble) {
    let Trouble { reason, code, is_error, message, next_step } = trouble;
    condition::set(&mut disk.conditions, READY, ConditionStatus::False, reason, &message);
    if is_error {
        condition::set(&mut disk.conditions, ERROR, ConditionStatus::True, reason, &message);
    } else if condition::is_true(&disk.conditions, ERROR) {
        condition::set(&mut disk.conditions, ERROR, ConditionStatus::False, "", "");
    }
    let detail = detail(disk, reason, None, &message);
    let cause = Cause::new(code, Severity::Error, message, next_step).about([&disk.disk_name]);
    disk.causes.push(cause.detailed(vec![detail]));
}

/// A disk works on any file system; one that it shares fills up by others' hands, and is mostly a mount that is missing.
fn warn_of_neighbours(disk: &mut DiskStatus, found: &DiskInspectReply, known: &mut Known, default_path: Option<&str>) {
    let (name, path) = (disk.disk_name.clone(), disk.disk_path.clone());
    let neighbour = known.filesystems.insert(found.filesystem_id.clone(), name.clone());
    let (message, next_step) = match neighbour {
        Some(other) => (
            format!(
                "The disks {other} and {name} lie on one file system ({}): they fill up together.",
                found.mount_point
            ),
            "Mount a disk of its own for each, or take one of the two away.".to_owned(),
        ),
        None if found.mount_point == "/" && default_path.is_none_or(|default| !same_path(default, &path)) => (
            format!("The disk {name} at {path} lies on the root file system: nothing is mounted there."),
            format!("If a disk belongs at {path}, take this one away, mount it, and add it again."),
        ),
        None => return,
    };
    disk.causes.push(Cause {
        code: CauseCode::Environment,
        severity: Severity::Warning,
        message,
        next_step,
        objects: vec![name],
        details: Vec::new(),
    });
}

/// What has no name that could be said is not listed with the orphans: it could not be removed by what is listed.
fn warn_of_unnamed(disk: &mut DiskStatus, found: &DiskInspectReply) {
    let names = &found.unnamed_directories;
    if names.is_empty() {
        return;
    }
    let (name, path) = (disk.disk_name.clone(), &disk.disk_path);
    let message = format!(
        "The disk {name} has {} replica directories whose names are no plain text, and are left alone: {}.",
        names.len(),
        names.join(", ")
    );
    let next_step = format!("Remove or rename them below {path}/replicas by hand, if nobody needs them.");
    disk.causes.push(Cause::new(CauseCode::Orphan, Severity::Warning, message, next_step).about([name]));
}

fn same_path(one: &str, other: &str) -> bool {
    std::path::Path::new(one) == std::path::Path::new(other)
}

/// Longhorn's sum: what replicas may grow to, and what the files of images take.
fn count_scheduled(disk: &mut DiskStatus, replicas: &[Object<Replica>], images: &[Arc<Object<BackingImage>>]) {
    let here = replicas.iter().filter(|replica| replica.spec.disk_id == disk.disk_uuid && !disk.disk_uuid.is_empty());
    disk.scheduled_replica =
        here.map(|replica| (replica.name().to_owned(), replica.spec.volume_size.bytes())).collect();
    let on = |image: &&Arc<Object<BackingImage>>| image.status.disk_file_status_map.contains_key(&disk.disk_uuid);
    let bytes = |image: &Arc<Object<BackingImage>>| (image.name().to_owned(), image.status.real_size.bytes());
    disk.scheduled_backing_image = images.iter().filter(on).map(bytes).collect();
    let promised = disk.scheduled_replica.values().chain(disk.scheduled_backing_image.values());
    disk.storage_scheduled = promised.map(|&bytes| ByteSize(bytes)).sum();
}

fn tell_schedulable(disk: &mut DiskStatus, spec: &DiskSpec, limits: Limits) {
    let name = &disk.disk_name;
    if !condition::is_true(&disk.conditions, READY) {
        let message = format!("The disk {name} is not ready.");
        condition::set(&mut disk.conditions, SCHEDULABLE, ConditionStatus::False, "DiskNotReady", &message);
        return;
    }
    let shortage = space(disk, spec).check(ByteSize::ZERO, ByteSize::ZERO, limits).err();
    let too_small = shortage.map(|shortage| short_of_space(disk, spec, shortage, limits));
    let Some(cause) = all_reserved(disk, spec).or(too_small) else {
        condition::set(&mut disk.conditions, SCHEDULABLE, ConditionStatus::True, "", "");
        return;
    };
    condition::set(&mut disk.conditions, SCHEDULABLE, ConditionStatus::False, "DiskPressure", &cause.message);
    disk.causes.push(cause);
}

/// Before its size was known nobody could say so to who wished for it.
fn all_reserved(disk: &DiskStatus, spec: &DiskSpec) -> Option<Cause> {
    let (name, reserved, maximum) = (&disk.disk_name, spec.storage_reserved, disk.storage_maximum);
    if reserved <= maximum || maximum == ByteSize::ZERO {
        return None;
    }
    let message =
        format!("The disk {name} has {maximum}, and {reserved} are reserved on it: nothing can be placed there.");
    let detail = detail(disk, "promised-space", Some((reserved, maximum)), &message);
    let next_step = format!("Give storageReserved at most {} bytes: lower the reservation.", maximum.bytes());
    let cause = Cause::new(CauseCode::InsufficientStorage, Severity::Warning, message, next_step);
    Some(cause.about([name]).detailed(vec![detail]))
}

/// Which of the two tests of space failed, and by how much.
fn short_of_space(disk: &DiskStatus, spec: &DiskSpec, shortage: Shortage, limits: Limits) -> Cause {
    let name = &disk.disk_name;
    let (code, rule, wanted, has, message, next_step) = match shortage {
        Shortage::Empty => (
            CauseCode::DiskPressure,
            "free-space",
            ByteSize::ZERO,
            disk.storage_available,
            format!("The disk {name} has no space: its size or its free space is zero."),
            "Free space on it, or look whether the right disk is mounted there.",
        ),
        Shortage::Pressure { available, minimum } => (
            CauseCode::DiskPressure,
            "free-space",
            minimum,
            available,
            format!(
                "The disk {name} has {available} free, and more than {minimum} must stay free: {} are missing.",
                minimum.saturating_sub(available).round_up(ByteSize(1 << 20))
            ),
            "Free space on it, move replicas away, or lower storage-minimal-available-percentage.",
        ),
        Shortage::Promised { .. } => {
            let (scheduled, reserved) = (disk.storage_scheduled, spec.storage_reserved);
            let most = space(disk, spec).promise_limit(limits);
            let message = format!(
                "The disk {name} has {scheduled} promised to replicas and may promise {most} ({} of which {reserved} are \
                 reserved): {} too much.",
                disk.storage_maximum,
                scheduled.saturating_sub(most)
            );
            let next_step = "Add a disk and move replicas there, lower the reservation, or raise \
                             storage-over-provisioning-percentage.";
            (CauseCode::InsufficientStorage, "promised-space", scheduled, most, message, next_step)
        }
    };
    let detail = detail(disk, rule, Some((wanted, has)), &message);
    Cause::new(code, Severity::Warning, message, next_step).about([name]).detailed(vec![detail])
}

fn detail(disk: &DiskStatus, rule: &str, bytes: Option<(ByteSize, ByteSize)>, text: &str) -> CauseDetail {
    CauseDetail {
        node: String::new(),
        disk: disk.disk_name.clone(),
        rule: rule.to_owned(),
        wanted_bytes: bytes.map(|(wanted, _)| wanted.bytes()),
        has_bytes: bytes.map(|(_, has)| has.bytes()),
        text: text.to_owned(),
    }
}

/// More replicas are counted and not listed.
const LISTED_MAXIMUM: usize = 20;

/// Somebody waits for it to be empty.
fn being_emptied(disk: &DiskStatus, node: &str, is_asked: bool) -> Option<Cause> {
    let (name, left) = (&disk.disk_name, disk.scheduled_replica.len());
    if !is_asked || left == 0 {
        return None;
    }
    let replicas = if left == 1 { "replica is" } else { "replicas are" };
    let message = format!(
        "The disk {name} is being emptied: {left} {replicas} still on it, with {} promised.",
        disk.storage_scheduled
    );
    let next_step = "They leave by themselves when others are whole elsewhere; the volume of one that can't says why.";
    let listed = disk.scheduled_replica.iter().take(LISTED_MAXIMUM);
    let details = listed.map(|(replica, bytes)| CauseDetail {
        node: node.to_owned(),
        disk: name.clone(),
        rule: "replica".to_owned(),
        wanted_bytes: Some(*bytes),
        has_bytes: None,
        text: format!("replica {replica} with {} is still there", ByteSize(*bytes)),
    });
    let cause = Cause::new(CauseCode::Evicting, Severity::Info, message, next_step);
    Some(cause.about([node, name.as_str()]).detailed(details.collect()))
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
            mount_point: "/mnt/d".into(),
            direct_io: true,
            extent_map: true,
            maximum_bytes: 300 * GIB,
            available_bytes: available_gib * GIB,
            ..DiskInspectReply::default()
        }
    }

    fn spec(disks: &[(&str, &str)]) -> NodeSpec {
        let disk = |path: &str| DiskSpec { path: path.to_owned(), ..DiskSpec::default() };
        let disks = disks.iter().map(|(name, path)| ((*name).to_owned(), disk(path))).collect();
        NodeSpec { disks, ..NodeSpec::default() }
    }

    fn look(reply: DiskInspectReply) -> Look {
        Look::Found(Box::new(reply))
    }

    fn applied_all(status: &mut NodeStatus, spec: &NodeSpec, looks: &[(&str, Look)], others: &[(&str, &str, &str)]) {
        let looks = looks.iter().map(|(name, look)| ((*name).to_owned(), look.clone())).collect();
        let identities: BTreeMap<_, _> = others
            .iter()
            .map(|(uuid, node, disk)| ((*uuid).to_owned(), ((*node).to_owned(), (*disk).to_owned())))
            .collect();
        let sharing = [("fs".to_owned(), 3)].into();
        let around = Surroundings {
            images: &[],
            replicas: &[],
            sharing: &sharing,
            identities: &identities,
            default_path: Some("/data/default"),
            limits: LIMITS,
        };
        apply(status, "node-1", spec, &looks, around);
    }

    fn applied(status: &mut NodeStatus, reply: DiskInspectReply) {
        applied_all(status, &spec(&[("d", "/mnt/d")]), &[("d", look(reply))], &[]);
    }

    fn reason(status: &NodeStatus, disk: &str) -> String {
        condition::find(&status.disk_status[disk].conditions, READY).unwrap().reason.clone()
    }

    /// behaviour.md §2, row "disk Schedulable condition": the size check with nothing to place. 100 GiB, 25 % kept free.
    #[test]
    fn schedulable_while_more_than_the_minimum_is_free_and_promises_fit() {
        // (free, reserved, promised in GiB, expected)
        for (available, reserved, scheduled, expected) in [
            (80, 0, 0, true),
            (26, 0, 0, true),
            (25, 0, 0, false),
            (10, 0, 0, false),
            (80, 30, 70, true),
            (80, 30, 71, false),
        ] {
            let mut disk = DiskStatus {
                storage_maximum: ByteSize(100 * GIB),
                storage_available: ByteSize(available * GIB),
                storage_scheduled: ByteSize(scheduled * GIB),
                ..DiskStatus::default()
            };
            condition::set(&mut disk.conditions, READY, ConditionStatus::True, "", "");
            let spec = DiskSpec { storage_reserved: ByteSize(reserved * GIB), ..DiskSpec::default() };
            tell_schedulable(&mut disk, &spec, LIMITS);
            let found = condition::find(&disk.conditions, SCHEDULABLE).unwrap();
            let reason = if expected { "" } else { "DiskPressure" };
            let is = (condition::is_true(&disk.conditions, SCHEDULABLE), found.reason.as_str());
            assert_eq!(is, (expected, reason), "{available} free, {reserved} reserved, {scheduled} promised");
        }
    }

    #[test]
    fn three_disks_on_one_file_system_count_a_third_each() {
        let mut status = NodeStatus::default();
        applied(&mut status, inspect(240));
        let disk = &status.disk_status["d"];
        assert_eq!((disk.storage_maximum, disk.storage_available), (ByteSize(100 * GIB), ByteSize(80 * GIB)));
        assert!(condition::is_true(&disk.conditions, SCHEDULABLE));
    }

    #[test]
    fn a_full_disk_takes_nothing_and_says_so() {
        let mut status = NodeStatus::default();
        applied(&mut status, inspect(60));
        let disk = &status.disk_status["d"];
        assert!(condition::is_true(&disk.conditions, READY) && !condition::is_true(&disk.conditions, SCHEDULABLE));
        assert!(disk.causes[0].message.contains("20 GiB free"), "{:?}", disk.causes);
        assert!(disk.causes[0].message.contains("5 GiB are missing"), "{:?}", disk.causes);
        let detail = &disk.causes[0].details[0];
        assert_eq!((detail.wanted_bytes, detail.has_bytes), (Some(25 * GIB), Some(20 * GIB)));
    }

    /// Of 100 GiB, 30 reserved, 70 may be promised.
    #[test]
    fn a_disk_that_promised_too_much_says_by_how_much() {
        let disk = DiskStatus {
            disk_name: "d".into(),
            storage_maximum: ByteSize(100 * GIB),
            storage_available: ByteSize(90 * GIB),
            storage_scheduled: ByteSize(80 * GIB),
            ..DiskStatus::default()
        };
        let spec = DiskSpec { storage_reserved: ByteSize(30 * GIB), ..DiskSpec::default() };
        let shortage = space(&disk, &spec).check(ByteSize::ZERO, ByteSize::ZERO, LIMITS).unwrap_err();
        let cause = short_of_space(&disk, &spec, shortage, LIMITS);
        assert_eq!(cause.code, CauseCode::InsufficientStorage);
        assert!(cause.message.contains("10 GiB too much") && !cause.next_step.is_empty(), "{cause:?}");
        let detail = &cause.details[0];
        assert_eq!((detail.wanted_bytes, detail.has_bytes), (Some(80 * GIB), Some(70 * GIB)));
    }

    #[test]
    fn a_disk_that_is_being_emptied_names_what_is_left() {
        let mut disk = DiskStatus { disk_name: "d".into(), ..DiskStatus::default() };
        assert_eq!(being_emptied(&disk, "node-1", true), None, "it is empty");
        disk.scheduled_replica.insert("v-r-1".into(), GIB);
        disk.storage_scheduled = ByteSize(GIB);
        assert_eq!(being_emptied(&disk, "node-1", false), None, "nobody asked");
        let cause = being_emptied(&disk, "node-1", true).unwrap();
        assert_eq!((cause.code, cause.severity), (CauseCode::Evicting, Severity::Info));
        assert!(
            cause.message.contains("1 replica is still on it, with 1 GiB") && cause.details.len() == 1,
            "{cause:?}"
        );
    }

    /// Before its size was known any reservation was taken.
    #[test]
    fn more_reserved_than_there_is_is_told() {
        let mut status = NodeStatus::default();
        let mut wished = spec(&[("d", "/mnt/d")]);
        wished.disks.get_mut("d").unwrap().storage_reserved = ByteSize(u64::MAX);
        applied_all(&mut status, &wished, &[("d", look(inspect(240)))], &[]);
        let disk = &status.disk_status["d"];
        assert!(!condition::is_true(&disk.conditions, SCHEDULABLE), "nothing can be placed there");
        assert!(disk.causes[0].message.contains("has 100 GiB"), "{:?}", disk.causes);
        assert!(disk.causes[0].next_step.contains("lower the reservation"));
    }

    #[test]
    fn a_byte_more_or_less_is_not_written() {
        let mut status = NodeStatus::default();
        applied(&mut status, inspect(240));
        let before = status.clone();
        let mut moved = inspect(240);
        moved.available_bytes -= 3 << 20;
        applied(&mut status, moved);
        assert_eq!(status, before);
    }

    #[test]
    fn another_disk_at_the_path_is_noticed() {
        let mut status = NodeStatus::default();
        applied(&mut status, inspect(240));
        applied(&mut status, DiskInspectReply { disk_uuid: "other".into(), ..inspect(240) });
        let disk = &status.disk_status["d"];
        assert_eq!(condition::find(&disk.conditions, READY).unwrap().reason, "DiskFilesystemChanged");
        assert_eq!(disk.disk_uuid, "u");
    }

    /// The figures and the identity of the disk that was there stay; what replicas see of it is a disk that is not ready.
    #[test]
    fn a_wrong_disk_is_no_place_for_replicas() {
        let mut status = NodeStatus::default();
        applied(&mut status, inspect(240));
        for wrong in ["other", ""] {
            applied(&mut status, DiskInspectReply { disk_uuid: wrong.into(), maximum_bytes: 5, ..inspect(240) });
            let disk = &status.disk_status["d"];
            assert_eq!((disk.disk_uuid.as_str(), disk.storage_maximum), ("u", ByteSize(100 * GIB)));
            assert!(!condition::is_true(&disk.conditions, READY) && !condition::is_true(&disk.conditions, SCHEDULABLE));
            assert_eq!(disk.causes.len(), 1);
        }
        applied(&mut status, inspect(240));
        assert!(condition::is_true(&status.disk_status["d"].conditions, READY));
        assert!(status.disk_status["d"].causes.is_empty());
    }

    #[test]
    fn an_identity_belongs_to_one_disk() {
        let two = spec(&[("a", "/mnt/d"), ("b", "/mnt/bind")]);
        // Both new, found in one look: the same directory by two paths.
        let mut status = NodeStatus::default();
        applied_all(&mut status, &two, &[("a", look(inspect(240))), ("b", look(inspect(240)))], &[]);
        assert_eq!((reason(&status, "a"), reason(&status, "b")), (String::new(), "DiskFilesystemChanged".into()));
        assert_eq!(status.disk_status["b"].disk_uuid, "", "nothing is recorded for the second");
        // The second was there before: it keeps it, whatever its name.
        let mut status = NodeStatus::default();
        applied_all(&mut status, &spec(&[("b", "/mnt/bind")]), &[("b", look(inspect(240)))], &[]);
        applied_all(&mut status, &two, &[("a", look(inspect(240))), ("b", look(inspect(240)))], &[]);
        assert_eq!((reason(&status, "a"), reason(&status, "b")), ("DiskFilesystemChanged".into(), String::new()));
        // On another node.
        let mut status = NodeStatus::default();
        applied_all(&mut status, &spec(&[("a", "/mnt/d")]), &[("a", look(inspect(240)))], &[("u", "node-2", "x")]);
        assert!(status.disk_status["a"].causes[0].message.contains("disk x on node-2"));
    }

    #[test]
    fn a_shared_file_system_is_told_of() {
        let mut status = NodeStatus::default();
        let on_root =
            |uuid: &str| look(DiskInspectReply { disk_uuid: uuid.into(), mount_point: "/".into(), ..inspect(240) });
        let paths = spec(&[("d", "/data/default/")]);
        applied_all(&mut status, &paths, &[("d", on_root("u"))], &[]);
        assert!(status.disk_status["d"].causes.is_empty(), "the default disk lies where the product put it");
        let paths = spec(&[("d", "/mnt/ssd")]);
        applied_all(&mut status, &paths, &[("d", on_root("u"))], &[]);
        assert!(status.disk_status["d"].causes[0].message.contains("nothing is mounted there"));
        assert!(condition::is_true(&status.disk_status["d"].conditions, READY), "it works all the same");
        let paths = spec(&[("d", "/mnt/ssd/a"), ("e", "/mnt/ssd/b")]);
        let second = look(DiskInspectReply { disk_uuid: "v".into(), ..inspect(240) });
        applied_all(&mut status, &paths, &[("d", look(inspect(240))), ("e", second)], &[]);
        assert!(status.disk_status["d"].causes.is_empty());
        assert!(status.disk_status["e"].causes[0].message.contains("The disks d and e lie on one file system"));
    }

    #[test]
    fn directories_without_a_name_are_told_of() {
        let mut status = NodeStatus::default();
        let unnamed_directories = vec![r#""v\xFF-00000002""#.to_owned()];
        applied(&mut status, DiskInspectReply { unnamed_directories, ..inspect(240) });
        let causes = &status.disk_status["d"].causes;
        assert_eq!(causes.len(), 1);
        assert!(causes[0].message.contains(r"v\xFF-00000002") && causes[0].next_step.contains("/mnt/d/replicas"));
        assert!(condition::is_true(&status.disk_status["d"].conditions, SCHEDULABLE), "it works all the same");
    }

    #[test]
    fn a_disk_that_fails_has_the_error_condition_until_it_works() {
        let mut status = NodeStatus::default();
        applied(&mut status, inspect(240));
        assert!(condition::find(&status.disk_status["d"].conditions, ERROR).is_none());
        applied(&mut status, DiskInspectReply { read_only: true, ..inspect(240) });
        assert!(condition::is_true(&status.disk_status["d"].conditions, ERROR));
        applied(&mut status, inspect(240));
        assert!(!condition::is_true(&status.disk_status["d"].conditions, ERROR));
    }
}
