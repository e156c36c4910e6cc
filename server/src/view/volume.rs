//! A volume as clients see it: the resource, its engine, its replicas and its tickets in one.

use std::collections::BTreeMap;

use aurochs_api::attachment::{Attachment, VolumeAttachment as AttachmentView};
use aurochs_api::condition::{Condition, ConditionMap};
use aurochs_api::nested::Nested;
use aurochs_api::replica::Replica as ReplicaView;
use aurochs_api::schema::Resource;
use aurochs_api::snapshot::Snapshot;
use aurochs_api::volume::{Controller, PurgeStatus, RecurringJobRef, Volume as VolumeView, VolumeState};

use super::envelope::Links;
use super::{condition_map, ready};
use crate::resources::engine::InstanceState;
use crate::resources::volume::{CONDITIONS, LABEL_ENABLED, LABEL_RECURRING_JOB, LABEL_RECURRING_JOB_GROUP};
use crate::resources::volume_attachment::{AttachmentTicket, AttachmentTicketStatus};
use crate::resources::{Engine, Object, Replica, Volume, VolumeAttachment, timestamp};

/// What a volume's view is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    pub volume: &'a Object<Volume>,
    /// One, or two while migrating.
    pub engines: Vec<&'a Object<Engine>>,
    pub replicas: Vec<&'a Object<Replica>>,
    pub attachment: Option<&'a Object<VolumeAttachment>>,
}

#[must_use]
pub fn resource(parts: &Parts<'_>, links: Links<'_>) -> Resource<VolumeView> {
    links.thing(parts.volume.name(), view(parts))
}

fn view(parts: &Parts<'_>) -> VolumeView {
    let (spec, status) = (&parts.volume.spec, &parts.volume.status);
    let obstacle = ready::obstacle(parts.volume, &parts.replicas);
    let engine = current_engine(parts);
    let live = engine.filter(|engine| engine.status.current_state == InstanceState::Running);
    VolumeView {
        name: parts.volume.name().to_owned(),
        size: spec.size,
        frontend: spec.frontend,
        disable_frontend: spec.disable_frontend || status.frontend_disabled,
        from_backup: spec.from_backup.clone(),
        instant_restore: spec.instant_restore,
        remote_size: engine
            // What the engine told last may be from before the last of it came.
            .filter(|_| status.is_partly_remote || status.restore_required)
            .and_then(|engine| engine.status.restore.as_ref())
            .map(|told| told.remote_bytes)
            .unwrap_or_default(),
        restore_volume_recurring_job: spec.restore_volume_recurring_job,
        data_source: spec.data_source.clone(),
        clone_mode: spec.clone_mode,
        data_locality: spec.data_locality,
        stale_replica_timeout: spec.stale_replica_timeout,
        state: if parts.volume.is_deleting() { VolumeState::Deleting } else { status.state },
        robustness: status.robustness,
        image: spec.image.clone(),
        current_image: status.current_image.clone(),
        backing_image: spec.backing_image.clone(),
        created: go_time(&parts.volume.metadata.creation_timestamp),
        last_backup: status.last_backup.clone(),
        last_backup_at: status.last_backup_at.clone(),
        last_attached_by: spec.last_attached_by.clone(),
        standby: spec.standby,
        restore_required: status.restore_required,
        restore_initiated: status.restore_initiated,
        revision_counter_disabled: spec.revision_counter_disabled,
        snapshot_data_integrity: spec.snapshot_data_integrity,
        snapshot_max_count: spec.snapshot_max_count,
        snapshot_max_size: spec.snapshot_max_size,
        unmap_mark_snap_chain_removed: spec.unmap_mark_snap_chain_removed,
        backup_compression_method: spec.backup_compression_method,
        backup_target_name: spec.backup_target_name.clone(),
        backup_block_size: spec.backup_block_size,
        replica_soft_anti_affinity: spec.replica_soft_anti_affinity,
        replica_zone_soft_anti_affinity: spec.replica_zone_soft_anti_affinity,
        replica_disk_soft_anti_affinity: spec.replica_disk_soft_anti_affinity,
        freeze_filesystem_for_snapshot: spec.freeze_filesystem_for_snapshot,
        offline_rebuilding: spec.offline_rebuilding,
        data_engine: spec.data_engine.clone(),
        data_layout: spec.data_layout.clone(),
        ublk_queue_depth: spec.ublk_queue_depth,
        ublk_number_of_queue: spec.ublk_number_of_queue,
        nvme_tcp_nr_io_queues: spec.nvme_tcp_nr_io_queues,
        disk_selector: spec.disk_selector.clone(),
        node_selector: spec.node_selector.clone(),
        number_of_replicas: spec.number_of_replicas,
        replica_auto_balance: spec.replica_auto_balance,
        rebuild_concurrent_sync_limit: spec.rebuild_concurrent_sync_limit,
        replica_rebuilding_bandwidth_limit: spec.replica_rebuilding_bandwidth_limit,
        recurring_job_selector: recurring_jobs(parts.volume),
        conditions: conditions(&status.conditions),
        kubernetes_status: status.kubernetes_status.clone(),
        clone_status: status.clone_status.clone(),
        ready: obstacle.is_none(),
        not_ready_message: obstacle.unwrap_or_default().to_owned(),
        access_mode: spec.access_mode,
        share_endpoint: status.share_endpoint.clone(),
        share_state: status.share_state.clone(),
        migratable: spec.migratable,
        encrypted: spec.encrypted,
        replicas: parts.replicas.iter().map(|replica| replica_view(replica, engine)).collect(),
        controllers: parts.engines.iter().map(|engine| controller(engine)).collect(),
        backup_status: live.map(|engine| rows(&engine.status.backup_status)).unwrap_or_default(),
        restore_status: live.map(|engine| rows(&engine.status.restore_status)).unwrap_or_default(),
        purge_status: live.map(purges).filter(|purges| !purges.is_empty()),
        rebuild_status: live.map(|engine| rows(&engine.status.rebuild_status)).unwrap_or_default(),
        volume_attachment: attachment(parts.volume.name(), parts.attachment).into(),
        causes: status.causes.clone(),
        snapshots: live.map(|engine| snapshots(&engine.status.snapshots)).unwrap_or_default(),
        frontend_in_use: live.map(|engine| engine.status.frontend_in_use.clone()).unwrap_or_default(),
        frontend_reason: live.map(|engine| engine.status.frontend_reason.clone()).unwrap_or_default(),
        nbd_uri: live.map(|engine| engine.status.nbd_uri.clone()).unwrap_or_default(),
    }
}

/// The engine that serves the volume, or served it last.
fn current_engine<'a>(parts: &Parts<'a>) -> Option<&'a Object<Engine>> {
    let node = &parts.volume.status.current_node_id;
    let here = parts.engines.iter().find(|engine| !node.is_empty() && engine.spec.node_id == *node);
    here.or_else(|| parts.engines.first()).copied()
}

/// Those that nobody has spoken of yet are there too, as unknown: clients look for them by name.
fn conditions(told: &[Condition]) -> ConditionMap {
    let silent = |kind: &str| Condition { kind: kind.to_owned(), ..Condition::default() };
    let mut all: ConditionMap = CONDITIONS.iter().map(|kind| ((*kind).to_owned(), silent(kind))).collect();
    all.extend(condition_map(told));
    all
}

/// The jobs and groups of a volume's labels, groups last.
#[must_use]
pub fn recurring_jobs(volume: &Object<Volume>) -> Vec<RecurringJobRef> {
    let named = |prefix: &'static str, is_group: bool| {
        let enabled = volume.metadata.labels.iter().filter(|(_, value)| *value == LABEL_ENABLED);
        enabled.filter_map(move |(label, _)| {
            let name = label.strip_prefix(prefix)?.to_owned();
            Some(RecurringJobRef { name, is_group })
        })
    };
    named(LABEL_RECURRING_JOB, false).chain(named(LABEL_RECURRING_JOB_GROUP, true)).collect()
}

fn rows<T: Clone>(told: &BTreeMap<String, T>) -> Vec<Nested<T>> {
    told.values().cloned().map(Nested::from).collect()
}

fn purges(engine: &Object<Engine>) -> Vec<Nested<PurgeStatus>> {
    let told = engine.status.purge_status.iter();
    told.map(|(replica, purge)| {
        let row = PurgeStatus {
            replica: replica.clone(),
            is_purging: purge.is_purging,
            progress: purge.progress,
            state: purge.state.clone(),
            error: purge.error.clone(),
        };
        row.into()
    })
    .collect()
}

fn replica_view(replica: &Object<Replica>, engine: Option<&Object<Engine>>) -> ReplicaView {
    let (spec, status) = (&replica.spec, &replica.status);
    let mode = engine.and_then(|engine| engine.status.replica_mode_map.get(replica.name()).copied());
    ReplicaView {
        name: replica.name().to_owned(),
        running: status.current_state == InstanceState::Running,
        mode: mode.unwrap_or_default(),
        failed_at: spec.failed_at.clone(),
        host_id: spec.node_id.clone(),
        disk_id: spec.disk_id.clone(),
        disk_path: spec.disk_path.clone(),
        data_path: if spec.is_placed() { spec.data_path() } else { String::new() },
        address: status.address.clone(),
        instance_manager_name: status.instance_manager_name.clone(),
        image: spec.image.clone(),
        current_image: status.current_image.clone(),
        data_engine: spec.data_engine.clone(),
    }
}

fn controller(engine: &Object<Engine>) -> Controller {
    let (spec, status) = (&engine.spec, &engine.status);
    let running = status.current_state == InstanceState::Running;
    // A stopped engine remembers where it was last; that is no place where the volume is attached.
    let attached = running || spec.desire_state == InstanceState::Running;
    Controller {
        name: engine.name().to_owned(),
        running,
        host_id: if attached { spec.node_id.clone() } else { String::new() },
        instance_manager_name: status.instance_manager_name.clone(),
        endpoint: if running { status.endpoint.clone() } else { String::new() },
        address: status.address.clone(),
        size: status.current_size,
        actual_size: status.actual_size,
        image: spec.image.clone(),
        current_image: status.current_image.clone(),
        is_expanding: status.is_expanding,
        last_expansion_error: status.last_expansion_error.clone(),
        last_expansion_failed_at: status.last_expansion_failed_at.clone(),
        last_restored_backup: status.last_restored_backup.clone(),
        requested_backup_restore: spec.requested_backup_restore.clone(),
        unmap_mark_snap_chain_removed_enabled: status.unmap_mark_snap_chain_removed_enabled,
    }
}

/// Newest first, the head on top: the order in which a chain is read. Of those taken in the same second the ones above
/// come first.
#[must_use]
pub fn snapshots(layers: &BTreeMap<String, Snapshot>) -> Vec<Snapshot> {
    let mut snapshots: Vec<Snapshot> = layers.values().cloned().collect();
    let is_head = |snapshot: &Snapshot| snapshot.name == aurochs_api::ids::VOLUME_HEAD;
    snapshots.sort_by_cached_key(|one| {
        let age = std::cmp::Reverse((is_head(one), one.created.clone(), depth(one, layers)));
        (age, one.name.clone())
    });
    snapshots
}

/// How many layers lie below; bounded, whatever the engine tells.
fn depth(snapshot: &Snapshot, layers: &BTreeMap<String, Snapshot>) -> usize {
    std::iter::successors(layers.get(&snapshot.parent), |below| layers.get(&below.parent)).take(layers.len()).count()
}

/// The tickets of a volume; none while nobody wants it.
#[must_use]
pub fn attachment(volume: &str, attachment: Option<&Object<VolumeAttachment>>) -> AttachmentView {
    let attachments = attachment.map_or_else(BTreeMap::new, |attachment| {
        let statuses = &attachment.status.attachment_ticket_statuses;
        let tickets = attachment.spec.attachment_tickets.iter();
        tickets.map(|(id, wanted)| (id.clone(), ticket(id, wanted, statuses.get(id)))).collect()
    });
    AttachmentView { volume: volume.to_owned(), attachments }
}

fn ticket(id: &str, wanted: &AttachmentTicket, status: Option<&AttachmentTicketStatus>) -> Attachment {
    Attachment {
        attachment_id: id.to_owned(),
        attachment_type: word(&wanted.kind),
        node_id: wanted.node_id.clone(),
        parameters: wanted.parameters.clone(),
        satisfied: status.is_some_and(|status| status.satisfied),
        conditions: status.map(|status| status.conditions.clone()).unwrap_or_default(),
    }
}

/// The word that a unit variant has in JSON.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Go's default text of a time, `2024-05-01 10:00:00 +0000 UTC`: Longhorn's UI knows no other form here.
fn go_time(rfc3339: &str) -> String {
    use time::macros::format_description;
    const FORM: &[time::format_description::BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second] +0000 UTC");
    timestamp::parse(rfc3339).and_then(|moment| moment.format(FORM).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::volume::VolumeSpec;

    fn parts(volume: &Object<Volume>) -> Parts<'_> {
        Parts { volume, engines: Vec::new(), replicas: Vec::new(), attachment: None }
    }

    #[test]
    fn times_in_gos_form() {
        assert_eq!(go_time("2024-05-01T10:00:00Z"), "2024-05-01 10:00:00 +0000 UTC");
        assert_eq!(go_time(""), "");
    }

    #[test]
    fn wire_form_that_longhorns_clients_count_on() {
        let volume = Object::<Volume>::new("data", VolumeSpec::default());
        let json = serde_json::to_value(resource(&parts(&volume), Links::new("http://m"))).unwrap();
        assert_eq!(json["purgeStatus"], serde_json::Value::Null);
        for list in ["backupStatus", "restoreStatus", "rebuildStatus", "replicas", "controllers"] {
            assert_eq!(json[list], serde_json::json!([]), "{list}");
        }
        assert_eq!(json["size"], "0");
        assert_eq!(json["type"], "volume");
        assert_eq!(json["actions"]["attach"], "http://m/v1/volumes/data?action=attach");
        assert_eq!(json["state"], "creating");
    }

    #[test]
    fn the_engine_tells_endpoint_and_modes_only_while_it_runs() {
        let mut volume = Object::<Volume>::new("data", VolumeSpec::default());
        volume.status.state = VolumeState::Attached;
        let mut engine = Object::<Engine>::new("data-e-0", Default::default());
        engine.status.endpoint = "/dev/longhorn/data".to_owned();
        engine.status.snapshots.insert("volume-head".to_owned(), Snapshot::default());
        let with = |engine: &Object<Engine>| view(&Parts { engines: vec![engine], ..parts(&volume) });
        assert_eq!((with(&engine).endpoint(), with(&engine).snapshots.len()), ("", 0));
        engine.status.current_state = InstanceState::Running;
        assert_eq!((with(&engine).endpoint(), with(&engine).snapshots.len()), ("/dev/longhorn/data", 1));
    }
}
