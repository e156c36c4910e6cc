//! `POST /v1/volumes`: a new volume. What is wrong with the wish is said at once; where its replicas go is found later.

use aurochs_api::ids::VolumeName;
use aurochs_api::size::{ByteSize, VOLUME_SIZE_ALIGNMENT, VOLUME_SIZE_MINIMUM};
use aurochs_api::volume::VolumeCreateInput;
use axum::extract::State;
use serde::de::DeserializeOwned;

use super::{get, update_replica_count};
use crate::error::{ApiError, ErrorKind};
use crate::resources::volume::{AccessMode, DataLocality, Frontend, VolumeSpec};
use crate::resources::{Node, Object, Volume};
use crate::routes::body::Body;
use crate::settings::{Name, Settings};
use crate::store::Store;
use crate::web::request_url::RequestUrl;

/// Longhorn's ext4-safe upper limit is the file size of the disks' file system; beyond this none of them goes.
const SIZE_MAXIMUM: ByteSize = ByteSize(1 << 50);
/// Minutes after which a failed replica is given up when the client says nothing.
const STALE_REPLICA_TIMEOUT_DEFAULT: u32 = 2880;

/// Answers with the new volume.
pub async fn handle(
    State(store): State<Store>,
    State(settings): State<Settings>,
    url: RequestUrl,
    Body(input): Body<VolumeCreateInput>,
) -> Result<get::Answer, ApiError> {
    let name: VolumeName = input.name.parse().map_err(|error| invalid(error, "Choose another name."))?;
    refuse_what_is_missing(&input)?;
    check_data_engine(&settings, &name)?;
    let spec = spec(&input, &settings)?;
    check_room(&store, &settings, &name, spec.size).await?;
    check_selectors(&store, &spec).await?;
    store.create(&Object::<Volume>::new(name.as_str(), spec)).await?;
    tracing::info!(volume = %name, "created");
    get::answer(&store, &url, name.as_str()).await
}

fn invalid(message: impl std::fmt::Display, next_step: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Invalid, message, next_step)
}

/// Refused rather than ignored: who asks for encryption must not get a volume without.
fn refuse_what_is_missing(input: &VolumeCreateInput) -> Result<(), ApiError> {
    let engine = input.data_engine.as_str();
    for (wished, field) in [
        (input.encrypted, "encrypted"),
        (input.migratable, "migratable"),
        (input.standby, "standby"),
        (!input.from_backup.is_empty(), "fromBackup"),
        (!input.data_source.is_empty(), "dataSource"),
        (!input.backing_image.is_empty(), "backingImage"),
        (input.access_mode == "rwx", "accessMode rwx"),
        (input.frontend == "iscsi" || input.frontend == "nvmf" || input.frontend == "ublk", "that frontend"),
        (!matches!(engine, "" | "v1"), "a dataEngine other than v1"),
    ] {
        if wished {
            let message = format_args!("volume {:?} is not created: this version has no {field}", input.name);
            return Err(invalid(message, "Leave that field out."));
        }
    }
    Ok(())
}

/// The setting v1-data-engine turns its volumes off as a whole.
fn check_data_engine(settings: &Settings, name: &VolumeName) -> Result<(), ApiError> {
    if settings.flag(Name::V1DataEngine) {
        return Ok(());
    }
    let message = format_args!("volume {name} is not created: the data engine v1 is turned off");
    Err(ApiError::new(ErrorKind::Conflict, message, "Set the setting v1-data-engine to true."))
}

fn spec(input: &VolumeCreateInput, settings: &Settings) -> Result<VolumeSpec, ApiError> {
    let or_setting = |text: &str, setting: Name| if text.is_empty() { settings.text(setting) } else { text.to_owned() };
    let or_ignored = |text: &str| if text.is_empty() { "ignored".to_owned() } else { text.to_owned() };
    let count = match input.number_of_replicas {
        0 => u32::try_from(settings.number(Name::DefaultReplicaCount)).unwrap_or(3),
        count => count,
    };
    update_replica_count::check(count)?;
    let defaults = VolumeSpec::default();
    Ok(VolumeSpec {
        size: size(&input.size.0)?,
        number_of_replicas: count,
        frontend: if input.frontend.is_empty() { Frontend::Blockdev } else { choice("frontend", &input.frontend)? },
        access_mode: if input.access_mode.is_empty() {
            AccessMode::Rwo
        } else {
            choice("accessMode", &input.access_mode)?
        },
        data_locality: choice::<DataLocality>(
            "dataLocality",
            &or_setting(&input.data_locality, Name::DefaultDataLocality),
        )?,
        stale_replica_timeout: match input.stale_replica_timeout {
            0 => STALE_REPLICA_TIMEOUT_DEFAULT,
            minutes => minutes,
        },
        revision_counter_disabled: input.revision_counter_disabled || settings.flag(Name::DisableRevisionCounter),
        disk_selector: selector("diskSelector", &input.disk_selector)?,
        node_selector: selector("nodeSelector", &input.node_selector)?,
        replica_soft_anti_affinity: choice("replicaSoftAntiAffinity", &input.replica_soft_anti_affinity)?,
        replica_zone_soft_anti_affinity: choice("replicaZoneSoftAntiAffinity", &input.replica_zone_soft_anti_affinity)?,
        replica_disk_soft_anti_affinity: choice("replicaDiskSoftAntiAffinity", &input.replica_disk_soft_anti_affinity)?,
        replica_auto_balance: one_of(
            "replicaAutoBalance",
            or_ignored(&input.replica_auto_balance),
            &["ignored", "disabled", "least-effort", "best-effort"],
        )?,
        snapshot_max_count: match input.snapshot_max_count {
            0 => u32::try_from(settings.number(Name::SnapshotMaxCount)).unwrap_or(defaults.snapshot_max_count),
            count @ 2..=250 => count,
            count => {
                return Err(invalid(format_args!("snapshotMaxCount can't be {count}"), "Give a number from 2 to 250."));
            }
        },
        snapshot_max_size: optional_size("snapshotMaxSize", &input.snapshot_max_size.0)?,
        snapshot_data_integrity: one_of(
            "snapshotDataIntegrity",
            or_ignored(&input.snapshot_data_integrity),
            &["ignored", "disabled", "enabled", "fast-check"],
        )?,
        backup_compression_method: one_of(
            "backupCompressionMethod",
            or_setting(&input.backup_compression_method, Name::BackupCompressionMethod),
            &["none", "lz4", "gzip"],
        )?,
        backup_target_name: match input.backup_target_name.as_str() {
            "" => defaults.backup_target_name,
            name => name.to_owned(),
        },
        unmap_mark_snap_chain_removed: choice("unmapMarkSnapChainRemoved", &input.unmap_mark_snap_chain_removed)?,
        freeze_filesystem_for_snapshot: choice("freezeFilesystemForSnapshot", &input.freeze_filesystem_for_snapshot)?,
        offline_rebuilding: choice("offlineRebuilding", &input.offline_rebuilding)?,
        restore_volume_recurring_job: choice("restoreVolumeRecurringJob", &input.restore_volume_recurring_job)?,
        ..VolumeSpec::default()
    })
}

/// At least 10 MiB, rounded up to 2 MiB as Longhorn does.
fn size(text: &str) -> Result<ByteSize, ApiError> {
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

fn optional_size(field: &str, text: &str) -> Result<ByteSize, ApiError> {
    if text.is_empty() {
        return Ok(ByteSize::ZERO);
    }
    text.parse().map_err(|error| invalid(format_args!("{field}: {error}"), "Give a size, or leave the field out."))
}

/// A word of an enum; the message of a wrong one lists the right ones.
fn choice<T: DeserializeOwned>(field: &str, word: &str) -> Result<T, ApiError> {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .map_err(|error| invalid(format_args!("{field} can't be {word:?}: {error}"), "Choose one of these."))
}

fn one_of(field: &str, word: String, words: &[&str]) -> Result<String, ApiError> {
    if words.contains(&word.as_str()) {
        return Ok(word);
    }
    Err(invalid(format_args!("{field} can't be {word:?}"), format_args!("Choose one of {}.", words.join(", "))))
}

/// Tags without doubles and without blanks around them.
fn selector(field: &str, tags: &[String]) -> Result<Vec<String>, ApiError> {
    let mut tags: Vec<String> = tags.iter().map(|tag| tag.trim().to_owned()).collect();
    tags.sort();
    tags.dedup();
    if tags.iter().any(String::is_empty) {
        return Err(invalid(format_args!("{field} has an empty tag"), "Leave it out."));
    }
    Ok(tags)
}

/// A volume that no disk could ever hold, not even an empty one, is a slip of the hand. One that merely finds no room
/// now is created, and its cause says what is missing, as Longhorn does.
async fn check_room(store: &Store, settings: &Settings, name: &VolumeName, size: ByteSize) -> Result<(), ApiError> {
    let percent = u128::from(settings.number(Name::StorageOverProvisioningPercentage));
    let nodes = store.list::<Node>().await?;
    let mut best: Option<(ByteSize, String)> = None;
    for node in &nodes {
        for (disk, status) in &node.status.disk_status {
            let reserved = node.spec.disks.get(disk).map(|disk| disk.storage_reserved).unwrap_or_default();
            let bytes = u128::from(status.storage_maximum.saturating_sub(reserved).bytes()) * percent / 100;
            let room = ByteSize(u64::try_from(bytes).unwrap_or(u64::MAX));
            if best.as_ref().is_none_or(|(most, _)| room > *most) {
                best = Some((room, format!("{disk} on {}", node.name())));
            }
        }
    }
    match best {
        // Until the disks were looked at, nothing is known.
        None => Ok(()),
        Some((ByteSize::ZERO, _)) => Ok(()),
        Some((room, _)) if size <= room => Ok(()),
        Some((room, disk)) => {
            let message = format_args!(
                "volume {name} of {size} does not fit on any disk: the largest, {disk}, takes {room} when it is empty"
            );
            Err(invalid(message, "Give a smaller size, add a larger disk, or lower the reservation of a disk."))
        }
    }
}

/// A tag that no node or disk has is a misspelling.
async fn check_selectors(store: &Store, spec: &VolumeSpec) -> Result<(), ApiError> {
    if spec.node_selector.is_empty() && spec.disk_selector.is_empty() {
        return Ok(());
    }
    let nodes = store.list::<Node>().await?;
    let node_tags: Vec<&String> = nodes.iter().flat_map(|node| &node.spec.tags).collect();
    let disk_tags: Vec<&String> =
        nodes.iter().flat_map(|node| node.spec.disks.values()).flat_map(|disk| &disk.tags).collect();
    for (what, wished, known) in [("node", &spec.node_selector, &node_tags), ("disk", &spec.disk_selector, &disk_tags)]
    {
        if let Some(tag) = wished.iter().find(|tag| !known.contains(tag)) {
            let message = format_args!("no {what} has the tag {tag:?}, which the volume's {what}Selector asks for");
            return Err(invalid(message, format_args!("Give a {what} that tag first, or leave it out.")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("10Gi").unwrap(), ByteSize(10 << 30));
        assert_eq!(size("10485761").unwrap(), ByteSize(12 << 20), "rounded up to 2 MiB");
        for bad in ["", "0", "-1", "1Mi", "ten", "1Ei", "99999999999999999999"] {
            let error = size(bad).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{bad}");
            assert!(!error.next_step.is_empty());
        }
    }

    #[test]
    fn wrong_words_name_the_right_ones() {
        let error = choice::<DataLocality>("dataLocality", "near").unwrap_err();
        assert!(error.message.contains("best-effort") && error.message.contains("dataLocality"), "{}", error.message);
    }

    #[test]
    fn what_is_missing_is_refused() {
        let input = VolumeCreateInput { encrypted: true, ..VolumeCreateInput::default() };
        assert!(refuse_what_is_missing(&input).unwrap_err().message.contains("encrypted"));
    }
}
