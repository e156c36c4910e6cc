//! From the wish of a client to the spec of a new volume: defaults of Longhorn's admission webhook, then its rules.

use std::collections::BTreeSet;

use aurochs_api::size::{ByteSize, VOLUME_SIZE_ALIGNMENT, VOLUME_SIZE_MINIMUM};
use aurochs_api::volume::VolumeCreateInput;

use super::action::{invalid, word};
use super::{data_source, rules, update_replica_count};
use crate::controllers::engine_image;
use crate::error::ApiError;
use crate::feature::Feature;
use crate::resources::volume::{AccessMode, BackupCompression, CloneMode, DataLocality, Frontend, VolumeSpec};
use crate::settings::{Name, Settings};

/// Longhorn's ext4-safe upper limit is the file size of the disks' file system; beyond this none of them goes.
const SIZE_MAXIMUM: ByteSize = ByteSize(1 << 50);
/// Minutes after which a failed replica is given up when the client says nothing.
const STALE_REPLICA_TIMEOUT_DEFAULT: u32 = 2880;
/// The two sizes of a backup's block.
const BACKUP_BLOCK_SIZES: [ByteSize; 2] = [ByteSize(2 << 20), ByteSize(16 << 20)];
/// What LUKS takes for itself at the start of a volume.
const ENCRYPTION_HEADER: ByteSize = ByteSize(16 << 20);

/// The spec, or what is wrong with the wish.
pub(super) fn spec(input: &VolumeCreateInput, settings: &Settings) -> Result<VolumeSpec, ApiError> {
    let spec = with_defaults(input, settings)?;
    check(&spec)?;
    refuse_what_is_missing(&input.name, &spec)?;
    check_enabled(&spec, settings)?;
    Ok(spec)
}

/// A spec that a system backup tells of, in which no default is missing.
pub(crate) fn check_found(name: &str, spec: &VolumeSpec, settings: &Settings) -> Result<(), ApiError> {
    size(&spec.size.bytes().to_string())?;
    check(spec)?;
    refuse_what_is_missing(name, spec)?;
    check_enabled(spec, settings)
}

/// A spec that replaces another one.
pub(crate) fn check_changed(name: &str, spec: &VolumeSpec) -> Result<(), ApiError> {
    check(spec)?;
    refuse_what_is_missing(name, spec)
}

// === defaults: "Volume defaults set by the mutator" ===

fn with_defaults(input: &VolumeCreateInput, settings: &Settings) -> Result<VolumeSpec, ApiError> {
    let defaults = VolumeSpec::default();
    let locality = match word("dataLocality", &input.data_locality)? {
        Some(said) => said,
        None => word("default-data-locality", &settings.text(Name::DefaultDataLocality).into())?.unwrap_or_default(),
    };
    let compression: BackupCompression = match word("backupCompressionMethod", &input.backup_compression_method)? {
        Some(said) => said,
        None => {
            word("backup-compression-method", &settings.text(Name::BackupCompressionMethod).into())?.unwrap_or_default()
        }
    };
    Ok(VolumeSpec {
        size: size(&input.size.0)?,
        image: engine_image::default_image(),
        number_of_replicas: replicas(input.number_of_replicas, locality, settings),
        frontend: frontend(input)?,
        access_mode: word("accessMode", &input.access_mode)?.unwrap_or_default(),
        data_locality: locality,
        data_engine: if input.data_engine.is_empty() { defaults.data_engine } else { input.data_engine.clone() },
        data_layout: input.data_layout.clone(),
        stale_replica_timeout: or(input.stale_replica_timeout, STALE_REPLICA_TIMEOUT_DEFAULT),
        revision_counter_disabled: locality == DataLocality::StrictLocal
            || input.revision_counter_disabled.unwrap_or_else(|| settings.flag(Name::DisableRevisionCounter)),
        disk_selector: selector("diskSelector", &input.disk_selector)?,
        node_selector: selector("nodeSelector", &input.node_selector)?,
        replica_soft_anti_affinity: word("replicaSoftAntiAffinity", &input.replica_soft_anti_affinity)?
            .unwrap_or_default(),
        replica_zone_soft_anti_affinity: word("replicaZoneSoftAntiAffinity", &input.replica_zone_soft_anti_affinity)?
            .unwrap_or_default(),
        replica_disk_soft_anti_affinity: word("replicaDiskSoftAntiAffinity", &input.replica_disk_soft_anti_affinity)?
            .unwrap_or_default(),
        replica_auto_balance: word("replicaAutoBalance", &input.replica_auto_balance)?.unwrap_or_default(),
        rebuild_concurrent_sync_limit: input.rebuild_concurrent_sync_limit,
        replica_rebuilding_bandwidth_limit: input.replica_rebuilding_bandwidth_limit,
        snapshot_max_count: match input.snapshot_max_count {
            0 => u32::try_from(settings.number(Name::SnapshotMaxCount)).unwrap_or(defaults.snapshot_max_count),
            count => count,
        },
        snapshot_max_size: rules::size("snapshotMaxSize", &input.snapshot_max_size)?.unwrap_or_default(),
        snapshot_data_integrity: word("snapshotDataIntegrity", &input.snapshot_data_integrity)?.unwrap_or_default(),
        unmap_mark_snap_chain_removed: word("unmapMarkSnapChainRemoved", &input.unmap_mark_snap_chain_removed)?
            .unwrap_or_default(),
        freeze_filesystem_for_snapshot: word("freezeFilesystemForSnapshot", &input.freeze_filesystem_for_snapshot)?
            .unwrap_or_default(),
        offline_rebuilding: word("offlineRebuilding", &input.offline_rebuilding)?.unwrap_or_default(),
        restore_volume_recurring_job: word("restoreVolumeRecurringJob", &input.restore_volume_recurring_job)?
            .unwrap_or_default(),
        backup_compression_method: compression,
        backup_target_name: match input.backup_target_name.as_str() {
            "" => defaults.backup_target_name,
            name => name.to_owned(),
        },
        backup_block_size: match rules::size("backupBlockSize", &input.backup_block_size)? {
            None | Some(ByteSize::ZERO) => ByteSize(settings.number(Name::DefaultBackupBlockSize) << 20),
            Some(size) => size,
        },
        encrypted: input.encrypted,
        migratable: input.migratable,
        standby: input.standby,
        from_backup: input.from_backup.clone(),
        instant_restore: input.instant_restore,
        data_source: input.data_source.clone(),
        clone_mode: clone_mode(input)?,
        backing_image: input.backing_image.clone(),
        ublk_queue_depth: input.ublk_queue_depth,
        ublk_number_of_queue: input.ublk_number_of_queue,
        nvme_tcp_nr_io_queues: input.nvme_tcp_nr_io_queues,
        ..VolumeSpec::default()
    })
}

const fn or(said: u32, default: u32) -> u32 {
    if said == 0 { default } else { said }
}

/// A strict-local volume has one replica whatever the setting says.
fn replicas(said: u32, locality: DataLocality, settings: &Settings) -> u32 {
    match (said, locality) {
        (0, DataLocality::StrictLocal) => 1,
        (0, _) => u32::try_from(settings.number(Name::DefaultReplicaCount)).unwrap_or(3),
        (said, _) => said,
    }
}

/// A standby volume is not offered to anybody; every other one is a block device unless it says otherwise.
fn frontend(input: &VolumeCreateInput) -> Result<Frontend, ApiError> {
    let default = if input.standby { Frontend::None } else { Frontend::Blockdev };
    Ok(word("frontend", &input.frontend)?.unwrap_or(default))
}

/// Only a copy has a way of being made.
fn clone_mode(input: &VolumeCreateInput) -> Result<CloneMode, ApiError> {
    let said = word("cloneMode", &input.clone_mode)?.unwrap_or(CloneMode::FullCopy);
    Ok(if input.data_source.is_empty() { CloneMode::None } else { said })
}

/// At least 10 MiB, rounded up to 2 MiB as Longhorn does.
pub(crate) fn size(text: &str) -> Result<ByteSize, ApiError> {
    let wished: ByteSize = text.parse().map_err(|error| invalid(error, "Give size, for example 10Gi."))?;
    if wished < VOLUME_SIZE_MINIMUM {
        let message = format_args!("a volume of {wished} is too small; the least is {VOLUME_SIZE_MINIMUM}");
        return Err(invalid(message, "Give a larger size, for example 10Gi."));
    }
    if wished > SIZE_MAXIMUM {
        let message = format_args!("a volume of {wished} is too large; the most is {SIZE_MAXIMUM}");
        return Err(invalid(message, "Give a smaller size."));
    }
    Ok(wished.round_up(VOLUME_SIZE_ALIGNMENT))
}

/// Tags as they were given, without doubles and without blanks around them.
fn selector(field: &str, tags: &[String]) -> Result<Vec<String>, ApiError> {
    let mut seen = BTreeSet::new();
    let tags = tags.iter().map(|tag| tag.trim()).filter(|tag| seen.insert(*tag));
    let tags: Vec<String> = tags.map(str::to_owned).collect();
    if tags.iter().any(String::is_empty) {
        return Err(invalid(format_args!("{field} has an empty tag"), "Leave it out."));
    }
    Ok(tags)
}

// === rules: "Volume validation" ===

fn check(spec: &VolumeSpec) -> Result<(), ApiError> {
    update_replica_count::check(spec.number_of_replicas)?;
    rules::strict_local_replicas(spec.data_locality, spec.number_of_replicas)?;
    rules::strict_local_access(spec.data_locality, spec.access_mode, spec.migratable)?;
    rules::snapshot_max_count(spec.snapshot_max_count)?;
    rules::snapshot_max_size(spec.snapshot_max_size, spec.size)?;
    rules::migratable(spec.migratable, spec.access_mode)?;
    rules::rebuild_concurrent_sync_limit(spec.rebuild_concurrent_sync_limit)?;
    rules::rebuilding_bandwidth_limit(spec.replica_rebuilding_bandwidth_limit)?;
    check_backup_block_size(spec)?;
    check_engine(&spec.data_engine)?;
    check_standby(spec)?;
    check_instant_restore(spec)?;
    check_encrypted(spec)?;
    if !spec.data_source.is_empty() {
        data_source::parse(&spec.data_source)?;
    }
    Ok(())
}

/// backupBlockSize: 2 MiB or 16 MiB; the volume's size is a multiple of it.
fn check_backup_block_size(spec: &VolumeSpec) -> Result<(), ApiError> {
    let block = spec.backup_block_size;
    if !BACKUP_BLOCK_SIZES.contains(&block) {
        let message = format_args!("backupBlockSize can't be {block}");
        return Err(invalid(message, "Give 2097152 (2 MiB) or 16777216 (16 MiB)."));
    }
    if !spec.size.bytes().is_multiple_of(block.bytes()) {
        let message = format_args!("a volume of {} bytes is no multiple of backupBlockSize {block}", spec.size.bytes());
        return Err(invalid(message, format_args!("Give size {}.", spec.size.round_up(block).bytes())));
    }
    Ok(())
}

/// data engine: one that there is.
fn check_engine(engine: &str) -> Result<(), ApiError> {
    if matches!(engine, "v1" | "v2") {
        return Ok(());
    }
    Err(invalid(format_args!("dataEngine can't be {engine:?}"), "Give v1, or leave it out."))
}

/// data engine: switched on by the settings.
fn check_enabled(spec: &VolumeSpec, settings: &Settings) -> Result<(), ApiError> {
    if spec.data_engine != "v1" || settings.flag(Name::V1DataEngine) {
        return Ok(());
    }
    let message = "a volume with dataEngine v1 can't be made: the setting v1-data-engine is off";
    Err(invalid(message, "Switch the setting v1-data-engine on."))
}

/// standby: of a backup, and offered to nobody.
fn check_standby(spec: &VolumeSpec) -> Result<(), ApiError> {
    if !spec.standby || (!spec.from_backup.is_empty() && spec.frontend == Frontend::None) {
        return Ok(());
    }
    let message = "a standby volume follows a backup and is offered to nobody until it is activated";
    Err(invalid(message, "Give fromBackup and leave frontend empty, or leave standby out."))
}

/// instantRestore: of a backup, and not one that is followed by others.
fn check_instant_restore(spec: &VolumeSpec) -> Result<(), ApiError> {
    if !spec.instant_restore || (!spec.from_backup.is_empty() && !spec.standby) {
        return Ok(());
    }
    let message = "instantRestore is for a volume that is made of a backup, and no standby volume";
    Err(invalid(message, "Give fromBackup and leave standby out, or leave instantRestore out."))
}

/// encrypted: more than the header of the encryption.
fn check_encrypted(spec: &VolumeSpec) -> Result<(), ApiError> {
    if !spec.encrypted || spec.size > ENCRYPTION_HEADER {
        return Ok(());
    }
    let message = format_args!("an encrypted volume has to be larger than {ENCRYPTION_HEADER}, which its header takes");
    Err(invalid(message, "Give a larger size."))
}

/// Refused rather than ignored: who asks for something must not get a volume without.
fn refuse_what_is_missing(name: &str, spec: &VolumeSpec) -> Result<(), ApiError> {
    let queues = spec.ublk_queue_depth > 0 || spec.ublk_number_of_queue > 0 || spec.nvme_tcp_nr_io_queues > 0;
    let second_frontend = matches!(spec.frontend, Frontend::Nvmf | Frontend::Ublk);
    for (wished, what, feature) in [
        (spec.data_engine != "v1", "dataEngine v2", Feature::SecondEngine),
        (second_frontend, "frontend nvmf or ublk", Feature::SecondEngine),
        (queues, "ublkQueueDepth, ublkNumberOfQueue or nvmeTcpNrIoQueues", Feature::SecondEngine),
        (spec.data_layout != Default::default(), "dataLayout", Feature::SecondEngine),
        (spec.migratable, "migratable", Feature::Migration),
        (spec.access_mode == AccessMode::Rwx, "accessMode rwx", Feature::SharedVolumes),
        (spec.clone_mode == CloneMode::LinkedClone, "cloneMode linked-clone", Feature::LinkedClones),
    ] {
        if wished {
            return Err(ApiError::not_yet(feature, format_args!("making volume {name} with {what}")));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "new_volume/tests.rs"]
mod tests;
