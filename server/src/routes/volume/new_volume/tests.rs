//! Defaults and rules of a new volume, each by its name in Longhorn's webhook.

use aurochs_api::volume::{DataLayout, LayoutMode, SizeText};

use super::*;
use crate::resources::volume::{Override, ReplicaAutoBalance, SnapshotDataIntegrity};

fn wish() -> VolumeCreateInput {
    VolumeCreateInput { name: "data".to_owned(), size: SizeText("1Gi".to_owned()), ..VolumeCreateInput::default() }
}

fn made(change: impl FnOnce(&mut VolumeCreateInput)) -> Result<VolumeSpec, ApiError> {
    let mut input = wish();
    change(&mut input);
    spec(&input, &Settings::default())
}

/// The rule lets it pass, or refuses it with these words and a next step.
fn assert_rule(rule: &str, words: Option<&str>, change: impl FnOnce(&mut VolumeCreateInput)) {
    match (made(change), words) {
        (Ok(_), None) => {}
        (Ok(spec), Some(words)) => panic!("{rule}: not refused for {words}: {spec:?}"),
        (Err(error), None) => panic!("{rule}: {}", error.message),
        (Err(error), Some(words)) => {
            assert!(error.message.contains(words), "{rule}: {words} in {}", error.message);
            assert!(!error.next_step.is_empty(), "{rule}");
        }
    }
}

#[test]
fn defaults() {
    let spec = made(|_| {}).unwrap();
    let image = engine_image::default_image();
    assert_eq!(spec, VolumeSpec { size: ByteSize(1 << 30), image, ..VolumeSpec::default() });
    assert_eq!(spec.number_of_replicas, 3, "setting default-replica-count");
    assert_eq!(spec.snapshot_max_count, 250, "setting snapshot-max-count");
    assert_eq!(spec.backup_target_name, "default");
    assert_eq!(spec.backup_block_size, ByteSize(2 << 20));
    assert_eq!(spec.data_engine, "v1");
    assert_eq!(spec.stale_replica_timeout, 2880);
    assert_eq!(spec.replica_auto_balance, ReplicaAutoBalance::Ignored);
    assert_eq!(spec.snapshot_data_integrity, SnapshotDataIntegrity::Ignored);
    assert_eq!(spec.unmap_mark_snap_chain_removed, Override::Ignored);
}

#[test]
fn default_engine_image() {
    assert_eq!(made(|_| {}).unwrap().image, format!("aurochs-engine:{}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn defaults_follow_the_settings() {
    let settings = Settings::default();
    for (name, value) in [
        ("default-replica-count", r#"{"v1":"2","v2":"7"}"#),
        ("default-data-locality", "best-effort"),
        ("disable-revision-counter", r#"{"v1":"false"}"#),
        ("snapshot-max-count", "20"),
        ("backup-compression-method", "gzip"),
        ("default-backup-block-size", "16"),
    ] {
        settings.set(name, value);
    }
    let found = spec(&wish(), &settings).unwrap();
    assert_eq!((found.number_of_replicas, found.snapshot_max_count), (2, 20));
    assert_eq!(found.data_locality, DataLocality::BestEffort);
    assert_eq!(found.backup_compression_method, BackupCompression::Gzip);
    assert_eq!(found.backup_block_size, ByteSize(16 << 20));
    assert!(!found.revision_counter_disabled);
    let said = VolumeCreateInput { revision_counter_disabled: Some(true), number_of_replicas: 1, ..wish() };
    let found = spec(&said, &settings).unwrap();
    assert_eq!((found.revision_counter_disabled, found.number_of_replicas), (true, 1), "what is said counts");
}

#[test]
fn default_clone_mode_full_copy_when_data_source_set() {
    let copy = made(|wish| wish.data_source = "vol://source".to_owned()).unwrap();
    assert_eq!(copy.clone_mode, CloneMode::FullCopy);
    let none = made(|wish| wish.clone_mode = "full-copy".into()).unwrap();
    assert_eq!(none.clone_mode, CloneMode::None, "read together with dataSource only");
}

#[test]
fn default_strict_local() {
    let spec = made(|wish| wish.data_locality = "strict-local".into()).unwrap();
    assert_eq!((spec.number_of_replicas, spec.revision_counter_disabled), (1, true));
}

#[test]
fn default_size_rounded_up_to_2_mib() {
    assert_eq!(size("10Gi").unwrap(), ByteSize(10 << 30));
    assert_eq!(size("10485761").unwrap(), ByteSize(12 << 20));
    for bad in ["", "0", "-1", "1Mi", "ten", "1Ei", "99999999999999999999"] {
        let error = size(bad).unwrap_err();
        assert!(!error.next_step.is_empty(), "{bad}");
    }
}

#[test]
fn rule_number_of_replicas() {
    for (count, words) in [(1, None), (20, None), (21, Some("21 replicas")), (u32::MAX, Some("replicas"))] {
        assert_rule("1…20", words, |wish| wish.number_of_replicas = count);
    }
    assert_rule("strict-local = 1", Some("one replica, not 2"), |wish| {
        wish.data_locality = "strict-local".into();
        wish.number_of_replicas = 2;
    });
}

#[test]
fn rule_words() {
    let fields: [fn(&mut VolumeCreateInput); 12] = [
        |wish| wish.data_locality = "near".into(),
        |wish| wish.access_mode = "near".into(),
        |wish| wish.frontend = "near".into(),
        |wish| wish.replica_auto_balance = "near".into(),
        |wish| wish.snapshot_data_integrity = "near".into(),
        |wish| wish.backup_compression_method = "near".into(),
        |wish| wish.clone_mode = "near".into(),
        |wish| wish.offline_rebuilding = "near".into(),
        |wish| wish.restore_volume_recurring_job = "near".into(),
        |wish| wish.freeze_filesystem_for_snapshot = "near".into(),
        |wish| wish.unmap_mark_snap_chain_removed = "near".into(),
        |wish| wish.replica_disk_soft_anti_affinity = "near".into(),
    ];
    for field in fields {
        assert_rule("words", Some("can't be \"near\""), field);
    }
}

#[test]
fn rule_snapshot_max_count_and_size() {
    for (count, words) in [(1, Some("can't be 1")), (2, None), (250, None), (251, Some("can't be 251"))] {
        assert_rule("2…250", words, |wish| wish.snapshot_max_count = count);
    }
    for (size, words) in [("0", None), ("2Gi", None), ("1Gi", Some("at least")), ("x", Some("snapshotMaxSize"))] {
        assert_rule("0 or ≥ 2 × size", words, |wish| wish.snapshot_max_size = SizeText(size.to_owned()));
    }
}

#[test]
fn rule_backup_block_size() {
    for (block, words) in
        [("2097152", None), ("16Mi", None), ("0", None), ("4Mi", Some("can't be 4 MiB")), ("1", Some("can't be"))]
    {
        assert_rule("2 MiB or 16 MiB", words, |wish| wish.backup_block_size = SizeText(block.to_owned()));
    }
    assert_rule("size a multiple", Some("no multiple"), |wish| {
        wish.size = SizeText("18Mi".to_owned());
        wish.backup_block_size = SizeText("16Mi".to_owned());
    });
}

#[test]
fn rule_frontend() {
    for (frontend, words) in [
        ("blockdev", None),
        ("iscsi", None),
        ("nbd", None),
        ("nvmf", Some("v2 data engine")),
        ("ublk", Some("v2 data")),
    ] {
        assert_rule("frontend of v1", words, |wish| wish.frontend = frontend.into());
    }
}

#[test]
fn rule_migratable_only_rwx() {
    assert_rule("migratable", Some("accessMode rwx, not rwo"), |wish| wish.migratable = true);
    assert_rule("migratable", Some("live migration"), |wish| {
        wish.migratable = true;
        wish.access_mode = "rwx".into();
    });
}

#[test]
fn rule_strict_local_not_with_rwx() {
    assert_rule("strict-local", Some("accessMode can't be rwx"), |wish| {
        wish.data_locality = "strict-local".into();
        wish.access_mode = "rwx".into();
    });
}

#[test]
fn rule_standby() {
    assert_rule("requires fromBackup", Some("follows a backup"), |wish| wish.standby = true);
    assert_rule("requires fromBackup", Some("made of a backup"), |wish| wish.instant_restore = true);
    assert_rule("requires an empty frontend", Some("offered to nobody"), |wish| {
        wish.standby = true;
        wish.from_backup = "s3://a@b/?backup=c&volume=d".to_owned();
        wish.frontend = "blockdev".into();
    });
    assert_rule("follows a backup", None, |wish| {
        wish.standby = true;
        wish.from_backup = "s3://a@b/?backup=c&volume=d".to_owned();
    });
}

#[test]
fn rule_encrypted_larger_than_16_mib() {
    assert_rule("encrypted", Some("larger than 16 MiB"), |wish| {
        wish.encrypted = true;
        wish.size = SizeText("16Mi".to_owned());
    });
}

#[test]
fn rule_data_engine() {
    assert_rule("data engine", Some("v2 data engine"), |wish| wish.data_engine = "v2".to_owned());
    assert_rule("data engine", Some("can't be \"v3\""), |wish| wish.data_engine = "v3".to_owned());
}

#[test]
fn rule_data_engine_enabled_by_the_setting() {
    let settings = Settings::default();
    settings.set("v1-data-engine", "false");
    assert!(spec(&wish(), &settings).unwrap_err().message.contains("v1-data-engine is off"));
}

#[test]
fn rule_selectors_have_no_empty_tag() {
    assert_rule("diskSelector", Some("empty tag"), |wish| wish.disk_selector = vec![" ".to_owned()]);
    let spec = made(|wish| wish.node_selector = vec!["b ".to_owned(), "a".to_owned(), "b".to_owned()]).unwrap();
    assert_eq!(spec.node_selector, ["b", "a"]);
}

#[test]
fn rule_rebuild_limits() {
    assert_rule("0…5", Some("can't be 6"), |wish| wish.rebuild_concurrent_sync_limit = 6);
    assert_rule("megabytes", Some("megabytes"), |wish| wish.replica_rebuilding_bandwidth_limit = u64::MAX);
}

#[test]
fn what_is_missing_is_refused_by_name() {
    for (words, change) in [
        ("ReadWriteMany", (|wish| wish.access_mode = "rwx".into()) as fn(&mut VolumeCreateInput)),
        ("v2 data engine", |wish| wish.ublk_queue_depth = 32),
        ("v2 data engine", |wish| wish.nvme_tcp_nr_io_queues = 1),
        ("v2 data engine", |wish| {
            wish.data_layout = DataLayout { mode: LayoutMode::ErasureCoding, ..DataLayout::default() };
        }),
        ("linked clones", |wish| {
            wish.data_source = "vol://a".to_owned();
            wish.clone_mode = "linked-clone".into();
        }),
    ] {
        assert_rule("not yet", Some(words), change);
    }
}
