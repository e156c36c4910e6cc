//! What a purge leaves is what Longhorn's leaves, from the same directory: names, metadata byte for byte, data and holes.

#[path = "../../../tests/golden_archive/mod.rs"]
mod golden_archive;

use golden_archive::{Golden, hex};
use sha2::{Digest, Sha256};

use super::super::{OpenOptions, Replica};
use super::listing;

const OPTIONS: OpenOptions = OpenOptions { revision_counter: true, no_checksums: false };

/// Marks and purges the directory that Longhorn had before, and compares with the one it had afterwards.
fn purged_as_longhorn(before: &str, marked: &[&str], after: &str) {
    let (golden, after) = (Golden::extract(before), Golden::extract(after));
    let replica = Replica::open(&golden.dir, OPTIONS).unwrap();
    replica.mark_removed(&marked.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    replica.purge().unwrap();
    replica.close().unwrap();
    std::fs::remove_file(golden.dir.join("aurochs.state")).unwrap();
    assert_eq!(listing(&golden.dir), after.manifest.files.keys().cloned().collect::<Vec<_>>());
    for (file, facts) in &after.manifest.files {
        let content = std::fs::read(golden.dir.join(file)).unwrap();
        assert_eq!(content.len() as u64, facts.bytes, "{file}");
        let text = || String::from_utf8_lossy(&content[..content.len().min(400)]).into_owned();
        assert_eq!(hex(Sha256::digest(&content)), facts.sha256, "{file}: {}", text());
    }
    let replica = Replica::open(&golden.dir, OPTIONS).unwrap();
    for (file, facts) in &after.manifest.files {
        if let Some(extents) = &facts.data_extents {
            assert_eq!(&replica.layer_extents(file, 0, usize::MAX).unwrap(), extents, "{file}");
        }
    }
    let size = u32::try_from(after.manifest.volume_size).unwrap();
    for (file, disk) in &after.manifest.disks {
        let content = replica.read_layer_chain(file, 0, size).unwrap();
        assert_eq!(hex(Sha256::digest(&content[..])), disk.sha256_at_volume_size, "{file}");
        assert_eq!(
            replica.layers().unwrap().iter().find(|layer| layer.file_name == *file).unwrap().removed,
            disk.removed
        );
    }
}

#[test]
fn a_chain_with_two_removed_snapshots() {
    purged_as_longhorn("s03-removed-before-purge", &[], "s03-removed-after-purge");
}

#[test]
fn a_branch_that_goes_and_a_root_that_is_merged() {
    purged_as_longhorn("s05-branched", &["left1", "left2", "base"], "s05-branched-purged");
}

/// The older file is shorter than the volume; the expansion's own snapshot goes, as it is not a user's.
#[test]
fn a_layer_from_before_an_expansion_grows_to_the_size_of_its_child() {
    let golden = Golden::extract("s04-expanded");
    let replica = Replica::open(&golden.dir, OPTIONS).unwrap();
    replica.mark_removed(&["expand-14680064".to_owned()]).unwrap();
    replica.purge().unwrap();
    let layers = replica.layers().unwrap();
    let sizes: Vec<_> = layers.iter().map(|layer| (layer.file_name.as_str(), layer.file_size)).collect();
    let expected = [
        ("volume-head-003.img", 14_680_064),
        ("volume-snap-after.img", 14_680_064),
        ("volume-snap-before.img", 8_388_608),
    ];
    assert_eq!(sizes, expected);
    let size = u32::try_from(golden.manifest.volume_size).unwrap();
    for layer in &layers {
        let content = replica.read_layer_chain(&layer.file_name, 0, size).unwrap();
        let expected = &golden.manifest.disks[&layer.file_name].sha256_at_volume_size;
        assert_eq!(&hex(Sha256::digest(&content[..])), expected, "{}", layer.file_name);
    }
}

/// Longhorn marked these two by a discard with `unmap-mark-snap-chain-removed`.
#[test]
fn marked_layers_have_the_metadata_that_longhorn_writes() {
    let golden = Golden::extract("s09-unmap-chain");
    let text = |name: &str| std::fs::read_to_string(golden.dir.join(name)).unwrap();
    let marked = ["volume-snap-s1.img.meta", "volume-snap-s2.img.meta"].map(text);
    // Back to what they were before, under the names that a snapshot's metadata has then.
    for (number, file) in ["volume-snap-s1.img.meta", "volume-snap-s2.img.meta"].iter().enumerate() {
        let before = marked[number].replace("\"Removed\":true", "\"Removed\":false");
        let before = before
            .replace(&format!("\"Name\":\"volume-snap-s{}.img\"", number + 1), "\"Name\":\"volume-head-000.img\"");
        assert_ne!(before, marked[number]);
        std::fs::write(golden.dir.join(file), before).unwrap();
    }
    let replica = Replica::open(&golden.dir, OPTIONS).unwrap();
    let records = replica.layers().unwrap();
    let tree = super::super::tree::Tree::of_layers(&records);
    assert_eq!(tree.markable(), ["volume-snap-s2.img", "volume-snap-s1.img"]);
    replica.mark_removed(&["s2".to_owned(), "s1".to_owned()]).unwrap();
    assert_eq!(["volume-snap-s1.img.meta", "volume-snap-s2.img.meta"].map(text), marked);
    // All of the volume is given back.
    replica.discard(0, replica.size()).unwrap();
    for layer in replica.layers().unwrap() {
        assert_eq!(layer.allocated_bytes, 0, "{}", layer.file_name);
    }
    assert!(replica.read(0, u32::try_from(replica.size()).unwrap()).unwrap().iter().all(|byte| *byte == 0));
}
