//! What we store has Longhorn's form: backups made of the same data, by the same steps, are compared with the samples
//! byte for byte; times aside, and sizes of what was compressed.

use std::collections::BTreeMap;

use aurochs_engine::backup::block::Compression;
use aurochs_engine::backup::create::create_with;
use aurochs_engine::backup::offline_source::OfflineSource;
use aurochs_engine::backup::restore::restore_with;
use aurochs_engine::backup::{BackupRecord, CreateRequest, Mode, Progress, Store, VolumeRecord, layout};

use crate::QUICK;
use crate::archive::Place;
use crate::golden_archive::Golden;
use crate::volume::{Memory, Snapshot, restoring};

/// Archives whose backups are all there, in the order of their times.
const SERIES: &[&str] = &[
    "b02-gzip",
    "b03-none",
    "b04-block16",
    "b05-expanded",
    "b06-fullmode",
    "b07-fallback",
    "b08-multi",
    "b09-backing",
    "b11-block1-random",
    "s12-dr-source",
];

/// The text with the values of these keys left out.
fn without(text: &[u8], keys: &[&str]) -> String {
    let mut text = String::from_utf8(text.to_vec()).unwrap();
    for key in keys {
        let mark = format!("\"{key}\":");
        let start = text.find(&mark).unwrap_or_else(|| panic!("no {key} in {text}")) + mark.len();
        let rest = &text[start..];
        let end = if rest.starts_with('{') { rest.find('}').unwrap() + 1 } else { rest.find(',').unwrap() };
        text.replace_range(start..start + end, "");
    }
    text
}

/// The sample's backups of a volume, the first one first.
async fn backups(sample: &Place, volume: &str, names: &[&str]) -> Vec<BackupRecord> {
    let mut records = Vec::new();
    for name in names {
        records.push(BackupRecord::load_complete(&sample.store, volume, name).await.unwrap());
    }
    records.sort_by(|one, other| one.snapshot_created_at.cmp(&other.snapshot_created_at));
    records
}

/// The snapshot that a backup was made of, as far as the sample tells.
async fn snapshot_of(sample: &Store, record: &BackupRecord, before: Option<&BackupRecord>, size: u64) -> Snapshot {
    let whole = VolumeRecord::load(sample, &record.volume_name).await.unwrap().size;
    let sink = Memory::empty(whole);
    let request = restoring(&record.volume_name, &record.name);
    restore_with(sample, &request, &sink, &Progress::default(), QUICK).await.unwrap();
    let mut content = sink.content.into_inner().unwrap();
    content.truncate(size as usize);
    let block_size = record.block_size().unwrap();
    let blocks = record.blocks.entries();
    let all: Vec<_> = blocks.iter().map(|entry| (entry.offset, block_size)).collect();
    let snapshot = Snapshot::new(content, &all);
    let Some(before) = before.filter(|_| record.is_incremental) else { return snapshot };
    let old: BTreeMap<_, _> = before.blocks.entries().iter().map(|entry| (entry.offset, entry.checksum)).collect();
    let differs = blocks.iter().filter(|entry| old.get(&entry.offset) != Some(&entry.checksum));
    let changed: Vec<_> = differs.map(|entry| (entry.offset, block_size)).collect();
    snapshot.since(&before.snapshot_name, &changed)
}

async fn compare(name: &str) {
    let (sample, manifest) = Place::golden(name).await;
    let place = Place::empty().await;
    let volumes: std::collections::BTreeSet<_> = manifest.backups.iter().map(|backup| &backup.volume).collect();
    for volume in volumes {
        let named: Vec<_> =
            manifest.backups.iter().filter(|backup| backup.volume == *volume).map(|backup| &*backup.backup).collect();
        let records = backups(&sample, volume, &named).await;
        let recorded = VolumeRecord::load(&sample.store, volume).await.unwrap();
        let compression: Compression = recorded.compression().unwrap();
        for (index, record) in records.iter().enumerate() {
            let size = if record.name == "before-expand" { 8 << 20 } else { recorded.size };
            let before = index.checked_sub(1).map(|before| &records[before]);
            let source = snapshot_of(&sample.store, record, before, size).await;
            let full =
                record.parameters.as_ref().and_then(|all| all.get("backup-mode")).is_some_and(|mode| mode == "full");
            let request = CreateRequest {
                volume: volume.clone(),
                backup: record.name.clone(),
                snapshot: record.snapshot_name.clone(),
                size,
                labels: record.labels.clone().unwrap_or_default(),
                // Only the first one's counts.
                compression: if index == 0 { compression } else { Compression::Lz4 },
                block_size: record.block_size().unwrap(),
                mode: if full { Mode::Full } else { Mode::Incremental },
                backing_image_name: recorded.backing_image_name.clone(),
                backing_image_checksum: recorded.backing_image_checksum.clone(),
                storage_class: recorded.storage_class_name.clone(),
                concurrency: 2,
            };
            create_with(&place.store, &request, &source, &Progress::default(), QUICK).await.unwrap();
            let path = layout::backup_record(volume, &record.name);
            let mut keys = vec!["SnapshotCreatedAt", "CreatedTime"];
            if compression != Compression::None {
                keys.extend(["NewlyUploadedDataSize", "ReUploadedDataSize"]);
            }
            if name == "b06-fullmode" {
                // Its parameters were given by hand, one at a time.
                keys.push("Parameters");
            }
            let read = |place: &Place| without(&std::fs::read(place.path(&path)).unwrap(), &keys);
            assert_eq!(read(&place), read(&sample), "{name}: {path}");
        }
        assert_eq!(place.blocks(volume), sample.blocks(volume), "{name}: {volume}");
        let path = layout::volume_record(volume);
        let read =
            |place: &Place| without(&std::fs::read(place.path(&path)).unwrap(), &["CreatedTime", "LastBackupAt"]);
        assert_eq!(read(&place), read(&sample), "{name}: {path}");
    }
}

#[tokio::test]
async fn records_and_names_of_blocks_are_those_of_the_samples() {
    for name in SERIES {
        compare(name).await;
    }
}

/// Two real replica directories, restored by Longhorn from a backup store: backed up again they give the same lists.
#[tokio::test]
async fn replica_directories_give_the_lists_that_they_came_from() {
    let (sample, _) = Place::golden("s12-dr-source").await;
    for (directory, backup) in [("s12-restored-full", "b1"), ("s12-restored-incremental", "b2")] {
        let golden = Golden::extract(directory);
        let image = golden.manifest.disks.keys().find(|image| image.starts_with("volume-snap-")).unwrap();
        let snapshot = image.strip_prefix("volume-snap-").and_then(|name| name.strip_suffix(".img")).unwrap();
        let source = OfflineSource::open(&golden.dir, snapshot).unwrap();
        let place = Place::empty().await;
        let request = CreateRequest {
            block_size: 2 << 20,
            ..crate::volume::request("again", "one", snapshot, source.volume_size())
        };
        create_with(&place.store, &request, &source, &Progress::default(), QUICK).await.unwrap();
        let ours = BackupRecord::load_complete(&place.store, "again", "one").await.unwrap();
        let theirs = BackupRecord::load_complete(&sample.store, "s12-dr-src", backup).await.unwrap();
        assert_eq!(ours.blocks, theirs.blocks, "{directory}");
    }
}

/// Every snapshot of a real chain, one after the other: only what changed is read, and each restores to its hash.
#[tokio::test]
async fn incremental_backups_of_a_real_chain_restore_to_its_snapshots() {
    for (directory, chain) in [
        ("s01-basic", &["snap-1", "snap-2", "44bf3198-408a-43f0-b2ca-981335dd2137"][..]),
        ("s04-expanded", &["before", "expand-14680064", "after"][..]),
        ("s13-headwrap", &["s00", "s03", "s12"][..]),
    ] {
        let golden = Golden::extract(directory);
        let place = Place::empty().await;
        for (index, snapshot) in chain.iter().enumerate() {
            let source = OfflineSource::open(&golden.dir, snapshot).unwrap();
            let backup = format!("backup-{index}");
            let size = golden.manifest.volume_size;
            let request =
                CreateRequest { block_size: 2 << 20, ..crate::volume::request(directory, &backup, snapshot, size) };
            let created = create_with(&place.store, &request, &source, &Progress::default(), QUICK).await.unwrap();
            assert_eq!(created.is_incremental, index > 0, "{directory} {snapshot}");
            let sink = Memory::empty(size);
            let restoring = restoring(directory, &backup);
            restore_with(&place.store, &restoring, &sink, &Progress::default(), QUICK).await.unwrap();
            let image = &golden.manifest.disks[&format!("volume-snap-{snapshot}.img")];
            assert_eq!(sink.sha256(), image.sha256_at_volume_size, "{directory} {snapshot}");
        }
    }
}

/// A removed snapshot is no base, nor is one that is not below; then everything is read, and nothing stored twice.
#[tokio::test]
async fn without_a_base_everything_is_read_and_nothing_stored_twice() {
    let golden = Golden::extract("s05-branched");
    let place = Place::empty().await;
    let size = golden.manifest.volume_size;
    for (backup, snapshot, incremental) in
        [("b-left1", "left1", false), ("b-left2", "left2", true), ("b-right1", "right1", false)]
    {
        let source = OfflineSource::open(&golden.dir, snapshot).unwrap();
        let request = CreateRequest { block_size: 2 << 20, ..crate::volume::request("vol", backup, snapshot, size) };
        let created = create_with(&place.store, &request, &source, &Progress::default(), QUICK).await.unwrap();
        assert_eq!(created.is_incremental, incremental, "{snapshot}");
        let sink = Memory::empty(size);
        restore_with(&place.store, &restoring("vol", backup), &sink, &Progress::default(), QUICK).await.unwrap();
        let image = &golden.manifest.disks[&format!("volume-snap-{snapshot}.img")];
        assert_eq!(sink.sha256(), image.sha256_at_volume_size, "{snapshot}");
    }
}
