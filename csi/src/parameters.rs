//! A StorageClass's parameters, with Longhorn's names, and what a volume is to be like by them.
//!
//! What is not known is let pass, as Longhorn does: classes carry what others read. Words are checked by the manager, which
//! says what they could be.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use aurochs_api::recurring_job::Task;
use aurochs_api::volume::{DataLayout, LayoutMode, RecurringJobRef, SizeText, VolumeCreateInput};
use serde::Deserialize;

use crate::capability;
use crate::failure::Failure;
use crate::handle::Image;

/// As they come over the wire.
pub type Parameters = HashMap<String, String>;

/// Minutes, where nothing or nothing sensible is said.
const STALE_REPLICA_TIMEOUT: u32 = 2880;

/// What the sidecars' own parameters begin with.
const SIDECAR: &str = "csi.storage.k8s.io/";

pub const SHARE: &str = "share";
pub const EXCLUSIVE: &str = "exclusive";
pub const DATA_SOURCE: &str = "dataSource";
pub const FROM_BACKUP: &str = "fromBackup";
pub const BACKING_IMAGE: &str = "backingImage";
pub const IMAGE_SOURCE_TYPE: &str = "backingImageDataSourceType";
pub const IMAGE_SOURCE_PARAMETERS: &str = "backingImageDataSourceParameters";
pub const IMAGE_CHECKSUM: &str = "backingImageChecksum";
/// More arguments for the program that makes a file system.
const MKFS_ARGUMENTS: &str = "mkfsParams";
pub const ENCRYPTED: &str = "encrypted";

/// The volume that the parameters wish for; name, size and access mode are for the caller to fill in.
pub fn wish(parameters: &Parameters) -> Result<VolumeCreateInput, Failure> {
    if flag(parameters, SHARE)? == Some(true) {
        if flag(parameters, EXCLUSIVE)? == Some(true) {
            return Err(Failure::invalid("share and exclusive can't both be true", "Leave one of them out."));
        }
        return Err(capability::no_sharing());
    }
    mkfs_arguments(parameters)?;
    let text = |key: &str| text(parameters, key).to_owned();
    let stale: i64 = number(parameters, "staleReplicaTimeout")?.unwrap_or_default();
    Ok(VolumeCreateInput {
        number_of_replicas: number(parameters, "numberOfReplicas")?.unwrap_or_default(),
        stale_replica_timeout: u32::try_from(stale)
            .ok()
            .filter(|minutes| *minutes > 0)
            .unwrap_or(STALE_REPLICA_TIMEOUT),
        revision_counter_disabled: Some(flag(parameters, "disableRevisionCounter")?.unwrap_or(true)),
        from_backup: text(FROM_BACKUP),
        data_source: text(DATA_SOURCE),
        clone_mode: if text(DATA_SOURCE).is_empty() { "".into() } else { text("cloneMode").into() },
        encrypted: flag(parameters, ENCRYPTED)?.unwrap_or_default(),
        data_locality: text("dataLocality").into(),
        replica_auto_balance: text("replicaAutoBalance").into(),
        unmap_mark_snap_chain_removed: text("unmapMarkSnapChainRemoved").into(),
        replica_soft_anti_affinity: text("replicaSoftAntiAffinity").into(),
        replica_zone_soft_anti_affinity: text("replicaZoneSoftAntiAffinity").into(),
        replica_disk_soft_anti_affinity: text("replicaDiskSoftAntiAffinity").into(),
        freeze_filesystem_for_snapshot: text("freezeFilesystemForSnapshot").into(),
        backing_image: text(BACKING_IMAGE),
        recurring_job_selector: jobs(parameters)?.into_iter().map(|job| job.reference()).collect(),
        disk_selector: list(parameters, "diskSelector"),
        node_selector: list(parameters, "nodeSelector"),
        data_engine: text("dataEngine"),
        data_layout: layout(parameters)?,
        frontend: text("frontend").into(),
        ublk_number_of_queue: number(parameters, "ublkNumberOfQueue")?.unwrap_or_default(),
        ublk_queue_depth: number(parameters, "ublkQueueDepth")?.unwrap_or_default(),
        nvme_tcp_nr_io_queues: number(parameters, "nvmeTcpNrIoQueues")?.unwrap_or_default(),
        backup_target_name: text("backupTargetName"),
        backup_block_size: SizeText(text("backupBlockSize")),
        ..VolumeCreateInput::default()
    })
}

// === reading single ones ===

/// Empty where it is not said.
#[must_use]
pub fn text<'a>(parameters: &'a Parameters, key: &str) -> &'a str {
    parameters.get(key).map_or("", |value| value.trim())
}

/// None where it is not said.
pub fn flag(parameters: &Parameters, key: &str) -> Result<Option<bool>, Failure> {
    // All that Go takes for a truth value, as Longhorn does.
    match text(parameters, key) {
        "" => Ok(None),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Some(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Some(false)),
        other => Err(wrong(key, other, "Give true or false.")),
    }
}

/// None where it is not said.
pub fn number<T: FromStr>(parameters: &Parameters, key: &str) -> Result<Option<T>, Failure> {
    match text(parameters, key) {
        "" => Ok(None),
        said => said.parse().map(Some).map_err(|_| wrong(key, said, "Give a whole number that is not negative.")),
    }
}

/// What stands between commas.
#[must_use]
pub fn list(parameters: &Parameters, key: &str) -> Vec<String> {
    text(parameters, key).split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

/// A snapshot class's parameters as labels of what is made by it. What can be no label is left out: what says nothing, and what
/// Kubernetes' sidecar adds under names that labels can't have.
#[must_use]
pub fn labels(parameters: &Parameters) -> BTreeMap<String, String> {
    let is_label = |(key, value): &(&String, &String)| !value.is_empty() && !key.starts_with(SIDECAR);
    parameters.iter().filter(is_label).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn wrong(key: &str, said: &str, next_step: &str) -> Failure {
    Failure::invalid(format_args!("the parameter {key} can't be {said:?}"), next_step)
}

// === those of several values ===

/// A recurring job that volumes of a class take part in. Older classes say all of the job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Job {
    pub name: String,
    pub is_group: bool,
    pub task: Option<Task>,
    pub cron: String,
    pub retain: u32,
    pub concurrency: u32,
    pub labels: BTreeMap<String, String>,
}

impl Job {
    fn reference(&self) -> RecurringJobRef {
        RecurringJobRef { name: self.name.clone(), is_group: self.is_group }
    }
}

/// Those of `recurringJobSelector`, and of `recurringJobs`, which older classes have.
pub fn jobs(parameters: &Parameters) -> Result<Vec<Job>, Failure> {
    let mut all: Vec<Job> = Vec::new();
    for key in ["recurringJobSelector", "recurringJobs"] {
        let said = text(parameters, key);
        if said.is_empty() {
            continue;
        }
        let read: Vec<Job> = serde_json::from_str(said).map_err(|error| {
            wrong(key, said, &format!("Give a list such as [{{\"name\":\"daily\",\"isGroup\":false}}] ({error})."))
        })?;
        all.extend(read);
    }
    Ok(all)
}

/// More arguments for the program that makes the file system. None of them is a path: it would be taken for what is to be
/// formatted, in the place of the volume.
pub fn mkfs_arguments(parameters: &Parameters) -> Result<Vec<&str>, Failure> {
    let said = text(parameters, MKFS_ARGUMENTS);
    if said.contains('/') {
        return Err(wrong(MKFS_ARGUMENTS, said, "Give options without paths, such as -O ^64bit."));
    }
    Ok(said.split_whitespace().collect())
}

/// The backing image that the volume stands on, and what it is made of where there is none yet.
pub fn image(parameters: &Parameters) -> Result<Option<Image>, Failure> {
    let name = text(parameters, BACKING_IMAGE);
    if name.is_empty() {
        return Ok(None);
    }
    let said = text(parameters, IMAGE_SOURCE_PARAMETERS);
    let made_of = match said {
        "" => BTreeMap::new(),
        said => serde_json::from_str(said).map_err(|error| {
            wrong(IMAGE_SOURCE_PARAMETERS, said, &format!("Give an object such as {{\"url\":\"…\"}} ({error})."))
        })?,
    };
    Ok(Some(Image {
        name: name.to_owned(),
        source_type: text(parameters, IMAGE_SOURCE_TYPE).to_owned(),
        checksum: text(parameters, IMAGE_CHECKSUM).to_owned(),
        parameters: made_of,
    }))
}

/// `dataLayout.*`, of the second data engine.
fn layout(parameters: &Parameters) -> Result<DataLayout, Failure> {
    let mode = match text(parameters, "dataLayout.mode") {
        "" if text(parameters, "dataLayout.type") == "sharded" => LayoutMode::ErasureCoding,
        "" => LayoutMode::None,
        "erasureCoding" => LayoutMode::ErasureCoding,
        "raid1" => LayoutMode::Raid1,
        other => return Err(wrong("dataLayout.mode", other, "Give erasureCoding, or leave it out.")),
    };
    match text(parameters, "dataLayout.type") {
        "" | "replicated" | "sharded" => {}
        other => return Err(wrong("dataLayout.type", other, "Give replicated or sharded, or leave it out.")),
    }
    Ok(DataLayout {
        mode,
        data_chunks: number(parameters, "dataLayout.dataChunks")?.unwrap_or_default(),
        parity_chunks: number(parameters, "dataLayout.parityChunks")?.unwrap_or_default(),
        strip_size_kb: number(parameters, "dataLayout.stripSizeKB")?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    fn parameters(all: &[(&str, &str)]) -> Parameters {
        all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn longhorns_default_class() {
        let class = [("numberOfReplicas", "3"), ("staleReplicaTimeout", "30"), ("fromBackup", ""), ("fsType", "ext4")];
        let wish = wish(&parameters(&class)).unwrap();
        assert_eq!((wish.number_of_replicas, wish.stale_replica_timeout), (3, 30));
        assert_eq!(wish.revision_counter_disabled, Some(true));
        assert!(wish.from_backup.is_empty() && !wish.encrypted);
    }

    #[test]
    fn lists_flags_and_what_is_left_out() {
        let class = [
            ("staleReplicaTimeout", "-5"),
            ("diskSelector", "ssd, fast,,"),
            ("disableRevisionCounter", "false"),
            ("dataLocality", "best-effort"),
            ("cloneMode", "linked-clone"),
            ("csi.storage.k8s.io/pvc/name", "x"),
        ];
        let wish = wish(&parameters(&class)).unwrap();
        assert_eq!(wish.stale_replica_timeout, STALE_REPLICA_TIMEOUT);
        assert_eq!(wish.disk_selector, ["ssd", "fast"]);
        assert_eq!(wish.revision_counter_disabled, Some(false));
        assert_eq!(wish.data_locality.text(), "best-effort");
        assert_eq!(wish.clone_mode.text(), "", "of copies alone");
    }

    #[test]
    fn wrong_ones_are_named() {
        for (key, value) in [
            ("numberOfReplicas", "three"),
            ("numberOfReplicas", "-1"),
            ("encrypted", "yes"),
            ("recurringJobSelector", "daily"),
            ("dataLayout.mode", "raid5"),
            ("dataLayout.type", "striped"),
            ("ublkQueueDepth", "1.5"),
            ("mkfsParams", "-q /dev/sda"),
        ] {
            let failure = wish(&parameters(&[(key, value)])).unwrap_err();
            assert_eq!(failure.kind, Kind::Invalid);
            assert!(failure.message.contains(key) && failure.message.contains(value), "{failure}");
        }
        let shared = wish(&parameters(&[("share", "true")])).unwrap_err();
        assert!(shared.message.contains("ReadWriteMany"), "{shared}");
        let both = wish(&parameters(&[("share", "true"), ("exclusive", "true")])).unwrap_err();
        assert!(both.message.contains("both"), "{both}");
    }

    #[test]
    fn labels_of_snapshots() {
        let class = [("type", "bak"), ("backupMode", ""), ("csi.storage.k8s.io/volumesnapshot/name", "s")];
        assert_eq!(labels(&parameters(&class)), [("type".to_owned(), "bak".to_owned())].into());
    }

    #[test]
    fn recurring_jobs_of_both_forms() {
        let selector = r#"[{"name":"a","isGroup":true},{"name":"b","task":"snapshot","cron":"0 0 * * ?","retain":2}]"#;
        let older = r#"[{"name":"c","task":"backup","cron":"*/5 * * * *","retain":1,"labels":{"x":"y"}}]"#;
        let both = parameters(&[("recurringJobSelector", selector), ("recurringJobs", older)]);
        let names: Vec<_> = jobs(&both).unwrap().iter().map(|job| (job.name.clone(), job.task)).collect();
        let expected =
            [("a", None), ("b", Some(Task::Snapshot)), ("c", Some(Task::Backup))].map(|(n, t)| (n.to_owned(), t));
        assert_eq!(names, expected);
        assert!(wish(&both).unwrap().recurring_job_selector[0].is_group);
    }

    #[test]
    fn backing_images() {
        let class = [
            ("backingImage", "debian"),
            ("backingImageDataSourceType", "download"),
            ("backingImageDataSourceParameters", r#"{"url":"http://a"}"#),
        ];
        let found = image(&parameters(&class)).unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.parameters["url"].as_str()), ("debian", "http://a"));
        assert_eq!(image(&parameters(&[])), Ok(None));
        assert!(image(&parameters(&[("backingImage", "x"), (IMAGE_SOURCE_PARAMETERS, "url")])).is_err());
    }
}
