//! Replica directories made by Longhorn open here and read as Longhorn's manifests say.
//!
//! The archives are GNU-sparse: which blocks are allocated decides what a layer hides, so every image's extents are
//! checked before any content is. A failure there is a failure of the extraction, not of the replica.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod golden_archive;

use aurochs_engine::replica::hash::{HashControl, SnapshotChecksum};
use aurochs_engine::replica::{OpenOptions, Replica, ReplicaError};
use golden_archive::{Golden, fixtures, hex};
use sha2::{Digest, Sha256};

impl Golden {
    fn check_files(&self) {
        for (file, facts) in &self.manifest.files {
            let content = std::fs::read(self.dir.join(file)).unwrap();
            assert_eq!(content.len() as u64, facts.bytes, "{}/{file}", self.manifest.name);
            assert_eq!(hex(Sha256::digest(&content)), facts.sha256, "{}/{file}", self.manifest.name);
        }
    }

    fn check_extents(&self, replica: &Replica) {
        for (file, facts) in &self.manifest.files {
            let Some(extents) = &facts.data_extents else {
                continue;
            };
            let mut found = Vec::new();
            // Two at a time, so that going on from a partial answer is tested too.
            loop {
                let from = found.last().map_or(0, |&(offset, length)| offset + length);
                let more = replica.layer_extents(file, from, 2).unwrap();
                if more.is_empty() {
                    break;
                }
                found.extend(more);
            }
            let name = &self.manifest.name;
            assert_eq!(&found, extents, "{name}/{file}: extents differ, so the extraction is wrong");
        }
    }

    fn check_layers(&self, replica: &Replica) {
        let layers = replica.layers().unwrap();
        let names: Vec<_> = layers.iter().map(|layer| &layer.file_name).collect();
        assert_eq!(names, self.manifest.disks.keys().collect::<Vec<_>>());
        for layer in layers {
            let disk = &self.manifest.disks[&layer.file_name];
            let parent = disk.chain_child_to_root.get(1).cloned().unwrap_or_default();
            assert_eq!((layer.parent, layer.removed), (parent, disk.removed), "{}", layer.file_name);
            assert_eq!(layer.file_size, disk.file_size);
            assert_eq!(layer.is_head, layer.file_name == self.manifest.head);
        }
    }

    fn check_content(&self, replica: &Replica) {
        let size = u32::try_from(self.manifest.volume_size).unwrap();
        for (file, disk) in &self.manifest.disks {
            let content = replica.read_layer_chain(file, 0, size).unwrap();
            let (name, expected) = (&self.manifest.name, &disk.sha256_at_volume_size);
            assert_eq!(hex(Sha256::digest(&content[..])), *expected, "{name}/{file}");
        }
        let head = &self.manifest.disks[&self.manifest.head].sha256_at_volume_size;
        assert_eq!(hex(replica.checksum(0, size).unwrap()), *head);
    }
}

const OPTIONS: OpenOptions = OpenOptions { revision_counter: true, no_checksums: false };

fn check(name: &str) {
    let golden = Golden::extract(name);
    golden.check_files();
    let counted = golden.manifest.revision_counter;
    let options = OpenOptions { revision_counter: counted.is_some(), ..OpenOptions::default() };
    let replica = Replica::open(&golden.dir, options).unwrap();
    assert_eq!(replica.size(), golden.manifest.volume_size);
    assert_eq!(replica.head_file(), golden.manifest.head);
    assert_eq!(replica.revision_counter(), counted);
    assert_eq!(replica.was_dirty(), name == "s07-dirty");
    golden.check_extents(&replica);
    golden.check_layers(&replica);
    golden.check_content(&replica);
    replica.close().unwrap();
    if name != "s07-dirty" {
        // Opened, read and closed, a directory is as Longhorn left it, apart from our own file.
        std::fs::remove_file(golden.dir.join("aurochs.state")).unwrap();
        golden.check_files();
        assert_eq!(count_files(&golden.dir), golden.manifest.files.len());
    }
}

/// But for the checksums of blocks, which come with reading and writing.
fn count_files(dir: &std::path::Path) -> usize {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with("aurochs.sums.")).count()
}

macro_rules! golden {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test] fn $test() { check($name); })*
        const CHECKED: &[&str] = &[$($name),*];
    };
}

golden! {
    basic: "s01-basic",
    without_revision_counter: "s02-norev",
    removed_after_purge: "s03-removed-after-purge",
    removed_before_purge: "s03-removed-before-purge",
    expanded: "s04-expanded",
    branched: "s05-branched",
    branched_purged: "s05-branched-purged",
    rebuilt_source: "s06-rebuilt-source",
    rebuilt_target: "s06-rebuilt-target",
    dirty: "s07-dirty",
    hashed: "s08-hashed",
    unmap_chain: "s09-unmap-chain",
    unmapped: "s09-unmapped",
    cloned: "s11-cloned",
    restored_full: "s12-restored-full",
    restored_incremental: "s12-restored-incremental",
    head_wrap: "s13-headwrap",
}

/// The steps that made `s04-expanded`, with the data that its layers hold: what is written here has to be, file by file,
/// what Longhorn wrote.
#[test]
fn an_expansion_writes_what_longhorn_wrote() {
    const CREATED: &str = "2026-11-21T02:06:55Z";
    let golden = Golden::extract("s04-expanded");
    let theirs = Replica::open(&golden.dir, OpenOptions::default()).unwrap();
    let dir = golden.beside("ours");
    Replica::create(&dir, 8_388_608, OpenOptions::default()).unwrap();
    let ours = Replica::open(&dir, OpenOptions::default()).unwrap();
    let write_layer = |file: &str| {
        for (offset, length) in theirs.layer_extents(file, 0, usize::MAX).unwrap() {
            let data = theirs.layer_read(file, offset, u32::try_from(length).unwrap()).unwrap();
            ours.write(offset, &data).unwrap();
        }
    };
    let snapshot = |name: &str| ours.snapshot(name, true, CREATED, &Default::default()).unwrap();
    write_layer("volume-snap-before.img");
    snapshot("before");
    write_layer("volume-snap-expand-14680064.img");
    ours.expand(14_680_064, CREATED).unwrap();
    write_layer("volume-snap-after.img");
    snapshot("after");
    write_layer(&golden.manifest.head);
    golden.check_extents(&ours);
    golden.check_layers(&ours);
    ours.close().unwrap();
    std::fs::remove_file(dir.join("aurochs.state")).unwrap();
    let written = Golden { dir, ..golden };
    let counter = written.manifest.files.keys().filter(|file| *file == "revision.counter").count();
    let files = count_files(&written.dir);
    assert_eq!(files, written.manifest.files.len() - counter);
    for (file, facts) in written.manifest.files.iter().filter(|(file, _)| *file != "revision.counter") {
        let content = std::fs::read(written.dir.join(file)).unwrap();
        assert_eq!(
            (content.len() as u64, hex(Sha256::digest(&content))),
            (facts.bytes, facts.sha256.clone()),
            "{file}"
        );
    }
}

#[test]
fn our_checksums_are_longhorns() {
    let golden = Golden::extract("s08-hashed");
    let replica = Replica::open(&golden.dir, OPTIONS).unwrap();
    for snapshot in ["s1", "s2"] {
        let file = golden.dir.join(format!("volume-snap-{snapshot}.img.checksum"));
        let theirs = std::fs::read_to_string(&file).unwrap();
        let known: SnapshotChecksum = serde_json::from_str(&theirs).unwrap();
        // The extraction changed the change time, which makes their checksum an old one.
        assert_eq!(replica.snapshot_checksum(snapshot).unwrap(), None);
        let ours = replica.hash_snapshot(snapshot, false, &HashControl::default()).unwrap();
        assert_eq!(ours.checksum, known.checksum);
        assert!(!ours.silently_corrupted);
        let with_their_times =
            SnapshotChecksum { change_time: known.change_time, last_hashed_at: known.last_hashed_at, ..ours.clone() };
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace(&ours.change_time, &with_their_times.change_time);
        assert_eq!(text.replace(&ours.last_hashed_at, &with_their_times.last_hashed_at), theirs);
    }
}

#[test]
fn no_fixture_is_forgotten() {
    let apart = ["s06-rebuild-interrupted", "s10-backing-raw", "s10-backing-qcow2"];
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".tar.zst") {
            assert!(CHECKED.contains(&name) || apart.contains(&name), "{name} has no test");
        }
    }
}

#[test]
fn an_interrupted_rebuild_says_so_and_is_not_served() {
    let golden = Golden::extract("s06-rebuild-interrupted");
    golden.check_files();
    let replica = Replica::open(&golden.dir, OPTIONS).unwrap();
    assert!(replica.rebuilding() && replica.was_dirty());
    golden.check_extents(&replica);
    let head = replica.head_file();
    let refused = |error| matches!(error, ReplicaError::Rebuilding { .. });
    assert!(refused(replica.read(0, 4096).unwrap_err()));
    assert!(refused(replica.checksum(0, 4096).unwrap_err()));
    assert!(refused(replica.read_layer_chain(&head, 0, 4096).unwrap_err()));
    replica.close().unwrap();
    let reopened = Replica::open(&golden.dir, OPTIONS).unwrap();
    assert!(reopened.rebuilding(), "closing does not end a rebuild");
}

/// The path in `volume.meta` is one of the machine that made the data.
fn move_backing_file(golden: &Golden, file: &str) {
    let meta = golden.dir.join("volume.meta");
    let text = std::fs::read_to_string(&meta).unwrap();
    let (before, rest) = text.split_once("\"BackingFilePath\":\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let path = golden.beside(file);
    let moved = format!("{before}\"BackingFilePath\":\"{}\"{after}", path.display());
    std::fs::write(&meta, moved).unwrap();
}

fn check_backing_file(name: &str, file: &str) {
    let golden = Golden::extract(name);
    let refused = Replica::open(&golden.dir, OPTIONS).unwrap_err().to_string();
    assert!(refused.contains(file), "{refused}");
    move_backing_file(&golden, file);
    let replica = Replica::open(&golden.dir, OPTIONS).unwrap();
    golden.check_extents(&replica);
    golden.check_layers(&replica);
    golden.check_content(&replica);
    // Zeros written over the backing file stay zeros.
    replica.write_zeroes(0, replica.size(), true).unwrap();
    drop(replica);
    let replica = Replica::open(&golden.dir, OPTIONS).unwrap();
    let content = replica.read(0, u32::try_from(replica.size()).unwrap()).unwrap();
    assert!(content.iter().all(|&byte| byte == 0));
}

#[test]
fn raw_backing_file() {
    check_backing_file("s10-backing-raw", "backing.raw");
}

#[test]
fn qcow2_backing_file() {
    check_backing_file("s10-backing-qcow2", "backing.qcow2");
}
