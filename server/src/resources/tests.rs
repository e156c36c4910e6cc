//! Fields of kinds against those of Longhorn's custom resource definitions (`longhorn_fields.txt`: kind and field).

use std::collections::BTreeSet;

use super::*;

const LONGHORN: &str = include_str!("longhorn_fields.txt");

/// Left out while there is nothing in them: Kubernetes takes a date or nothing, and no empty block size.
const LEFT_OUT_WHEN_EMPTY: [&str; 5] =
    ["backupBlockSize", "createdAt", "lastModificationTime", "lastSyncedAt", "syncRequestedAt"];

fn check<K: Kind>() {
    let object = serde_json::to_value(Object::<K>::default()).unwrap();
    let ours = |part: &str| {
        let fields = object[part].as_object().unwrap().keys();
        fields.map(|field| format!("{part}.{field}")).collect::<Vec<_>>()
    };
    let found: BTreeSet<String> = ours("spec").into_iter().chain(ours("status")).collect();
    let wanted: BTreeSet<String> = LONGHORN
        .lines()
        .filter_map(|line| line.split_once(' ').filter(|(kind, _)| *kind == K::KIND))
        .map(|(_, field)| field.to_owned())
        .filter(|field| !LEFT_OUT_WHEN_EMPTY.iter().any(|name| field.ends_with(&format!(".{name}"))))
        .collect();
    let found = found.into_iter().filter(|field| !LEFT_OUT_WHEN_EMPTY.iter().any(|name| field.ends_with(name)));
    assert_eq!(found.collect::<BTreeSet<_>>(), wanted, "{}", K::KIND);
}

#[test]
fn kinds_that_only_pass_through_have_longhorns_fields() {
    check::<BackingImage>();
    check::<BackingImageDataSource>();
    check::<BackingImageManager>();
    check::<Backup>();
    check::<BackupBackingImage>();
    check::<BackupTarget>();
    check::<BackupVolume>();
    check::<EngineImage>();
    check::<Orphan>();
    check::<RecurringJob>();
    check::<Shard>();
    check::<ShardGroup>();
    check::<ShareManager>();
    check::<SupportBundle>();
    check::<SystemBackup>();
    check::<SystemRestore>();
}

#[test]
fn what_longhorn_wrote_is_read() {
    let text = r#"{"metadata": {"name": "b"}, "spec": {"snapshotName": "s", "backupMode": "", "backupBlockSize": "-1"},
        "status": {"state": "InProgress", "progress": 5, "size": ""}}"#;
    let backup: Object<Backup> = serde_json::from_str(text).unwrap();
    assert_eq!(backup.status.state, backup::BackupState::InProgress);
    let text = r#"{"metadata": {"name": "o"}, "spec": {"orphanType": "shardgroup-instance", "nodeID": "n"}}"#;
    let orphan: Object<Orphan> = serde_json::from_str(text).unwrap();
    assert_eq!((orphan.spec.node_id.as_str(), orphan.spec.orphan_type), ("n", orphan::OrphanType::ShardGroupInstance));
}
