//! Directories made by Longhorn: everything is shown, everything is exported, nothing is changed.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::directory::state;
use super::{findings, inspect, run, text};
use crate::golden_archive::{Golden, sha256};

const SOUND: &[&str] = &[
    "s01-basic",
    "s02-norev",
    "s03-removed-after-purge",
    "s03-removed-before-purge",
    "s04-expanded",
    "s05-branched",
    "s05-branched-purged",
    "s06-rebuilt-source",
    "s06-rebuilt-target",
    "s07-dirty",
    "s08-hashed",
    "s09-unmap-chain",
    "s09-unmapped",
    "s11-cloned",
    "s12-restored-full",
    "s12-restored-incremental",
    "s13-headwrap",
];

fn export(golden: &Golden, snapshot: Option<&str>, expected: &str, what: &str) {
    let output = golden.output();
    let mut arguments = vec!["export", text(&golden.dir), "--force", "--output", text(&output)];
    arguments.extend(snapshot.iter().flat_map(|name| ["--snapshot", name]));
    let outcome = run(&arguments);
    assert_eq!(outcome.code, 0, "{what}: {}", outcome.stderr);
    assert!(outcome.stdout.contains(expected), "{what}: {}", outcome.stdout);
    assert_eq!(sha256(&output), expected, "{what}");
}

#[test]
fn every_layer_is_exported_as_longhorn_saw_it_and_nothing_changes() {
    for name in SOUND {
        let golden = Golden::extract(name);
        let before = state(&golden.dir);
        let head = &golden.manifest.head;
        for (image, disk) in &golden.manifest.disks {
            let snapshot = image.strip_prefix("volume-snap-").and_then(|name| name.strip_suffix(".img"));
            if image == head {
                export(&golden, None, &disk.sha256_at_file_size, &format!("{name}/{image}"));
            } else if !disk.removed {
                export(&golden, snapshot, &disk.sha256_at_file_size, &format!("{name}/{image}"));
            } else {
                let output = golden.output();
                let refused =
                    run(&["export", text(&golden.dir), "--snapshot", snapshot.unwrap(), "--output", text(&output)]);
                assert_eq!(refused.code, 1);
                assert!(refused.stderr.contains("marked as removed"), "{}", refused.stderr);
            }
        }
        assert_eq!(run(&["verify", text(&golden.dir)]).code, 0, "{name}");
        inspect(&golden.dir);
        assert_eq!(state(&golden.dir), before, "{name}");
    }
}

#[test]
fn inspect_tells_what_the_manifest_tells() {
    for name in SOUND {
        let golden = Golden::extract(name);
        let description = inspect(&golden.dir);
        let manifest = &golden.manifest;
        assert_eq!(description["volume"]["size_bytes"], manifest.volume_size, "{name}");
        assert_eq!(description["volume"]["head"], *manifest.head);
        assert_eq!(description["revision_counter"].as_u64(), manifest.revision_counter);
        assert_eq!(description["chain"], serde_json::json!(manifest.disks[&manifest.head].chain_child_to_root));
        assert_eq!(description["exportable"]["head"], true);
        assert_eq!(findings(&description, "problem"), [], "{name}");
        assert_eq!(findings(&description, "warning"), [], "{name}");
        let layers = description["layers"].as_array().unwrap();
        assert_eq!(layers.len(), manifest.disks.len());
        for layer in layers {
            let disk = &manifest.disks[layer["file_name"].as_str().unwrap()];
            let parent = disk.chain_child_to_root.get(1).map_or("", String::as_str);
            assert_eq!(layer["parent"], parent);
            assert_eq!((&layer["size_bytes"], &layer["removed"]), (&disk.file_size.into(), &disk.removed.into()));
            let facts = fs::metadata(golden.dir.join(layer["file_name"].as_str().unwrap())).unwrap();
            assert_eq!(layer["allocated_bytes"], facts.blocks() * 512);
        }
    }
}

#[test]
fn the_table_for_people_names_layers_labels_and_branches() {
    let golden = Golden::extract("s01-basic");
    let shown = run(&["inspect", text(&golden.dir)]).stdout;
    for expected in ["16 MiB (16777216 bytes)", "revision      35", "RecurringJob=nightly", "No problems found."] {
        assert!(shown.contains(expected), "no {expected:?} in:\n{shown}");
    }
    assert!(!shown.contains('\x1b'), "colours are for terminals");
    let position = |image: &str| shown.find(&format!("\n  {image}")).unwrap();
    assert!(position("volume-head-003.img") < position("volume-snap-snap-2.img"));
    assert!(position("volume-snap-snap-2.img") < position("volume-snap-snap-1.img"));
    let branched = run(&["inspect", text(&Golden::extract("s05-branched").dir)]).stdout;
    let others = branched.find("Other layers").unwrap();
    assert!(branched.find("\n  volume-snap-left1.img").unwrap() > others, "{branched}");
    assert!(branched.find("\n  volume-snap-base.img").unwrap() < others, "{branched}");
}

#[test]
fn a_qcow2_export_holds_the_same_and_another_file_is_not_overwritten() {
    let golden = Golden::extract("s05-branched");
    let output = golden.output();
    let arguments = ["export", text(&golden.dir), "--format", "qcow2", "--output", text(&output)];
    let head = &golden.manifest.disks[&golden.manifest.head];
    let exported = run(&arguments);
    assert!(exported.stdout.contains(&head.sha256_at_file_size), "{} {}", exported.stdout, exported.stderr);
    let raw = golden.beside("raw.img");
    let converted =
        std::process::Command::new("qemu-img").args(["convert", "-O", "raw"]).args([&output, &raw]).status().unwrap();
    assert!(converted.success());
    assert_eq!(sha256(&raw), head.sha256_at_file_size);
    let again = run(&arguments);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("there already") && again.stderr.contains("--force"), "{}", again.stderr);
    let inside = golden.dir.join("image");
    let inside = run(&["export", text(&golden.dir), "--output", text(&inside)]);
    assert!(inside.stderr.contains("may not be written into the replica directory"), "{}", inside.stderr);
}

#[test]
fn a_volume_with_a_backing_file_needs_it() {
    for (name, file) in [("s10-backing-raw", "backing.raw"), ("s10-backing-qcow2", "backing.qcow2")] {
        let golden = Golden::extract(name);
        let description = inspect(&golden.dir);
        assert_eq!(findings(&description, "problem"), [("backing_file".to_owned(), "volume.meta".to_owned())]);
        assert_eq!(description["exportable"], serde_json::json!({"head": false, "snapshots": []}));
        let recorded = description["backing_file"]["recorded_path"].as_str().unwrap();
        golden.edit("volume.meta", recorded, text(&golden.beside(file)));
        let before = state(&golden.dir);
        let head = &golden.manifest.disks[&golden.manifest.head];
        export(&golden, None, &head.sha256_at_file_size, name);
        assert_eq!(state(&golden.dir), before);
    }
}
