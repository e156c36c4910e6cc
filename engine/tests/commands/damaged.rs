//! Damaged directories: what is wrong is said, what can be saved is named and exported, and nothing is changed.

use std::fs;

use super::directory::state;
use super::{findings, inspect, run, text};
use crate::golden_archive::{Golden, sha256};

const HEAD: &str = "volume-head-003.img";
const FIRST: &str = "volume-snap-snap-1.img";
const SECOND: &str = "volume-snap-snap-2.img";
const THIRD: &str = "volume-snap-44bf3198-408a-43f0-b2ca-981335dd2137.img";
const BRANCH: &str = "volume-snap-branch.img";
const ALL: &[&str] = &["44bf3198-408a-43f0-b2ca-981335dd2137", "snap-1", "snap-2"];

/// One damage and what has to be said of it. The chain is head, third, second, first.
struct Damage {
    name: &'static str,
    make: fn(&Golden),
    kind: &'static str,
    file: &'static str,
    /// Whether the head can be exported, and which snapshots.
    saved: (bool, &'static [&'static str]),
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "a cut layer",
        make: |golden| golden.cut(SECOND, 5 << 20),
        kind: "image_cut",
        file: SECOND,
        saved: (false, &["snap-1"]),
    },
    Damage {
        name: "the root cut inside a block",
        make: |golden| golden.cut(FIRST, (8 << 20) + 100),
        kind: "image_cut",
        file: FIRST,
        saved: (false, &[]),
    },
    Damage {
        name: "the root cut at a block that no volume ends at",
        make: |golden| golden.cut(FIRST, (9 << 20) + 4096),
        kind: "image_cut",
        file: FIRST,
        saved: (false, &[]),
    },
    Damage {
        name: "a cut head",
        make: |golden| golden.cut(HEAD, 4 << 20),
        kind: "head_size",
        file: HEAD,
        saved: (false, ALL),
    },
    Damage {
        name: "a wrong size of the volume",
        make: |golden| golden.edit("volume.meta", "\"Size\":16777216", "\"Size\":33554432"),
        kind: "head_size",
        file: HEAD,
        saved: (false, ALL),
    },
    Damage {
        name: "missing metadata in the middle",
        make: |golden| fs::remove_file(golden.dir.join(format!("{SECOND}.meta"))).unwrap(),
        kind: "layer_meta_missing",
        file: "volume-snap-snap-2.img.meta",
        saved: (false, &["snap-1"]),
    },
    Damage {
        name: "a missing image",
        make: |golden| fs::remove_file(golden.dir.join(SECOND)).unwrap(),
        kind: "image_missing",
        file: SECOND,
        saved: (false, &["snap-1"]),
    },
    Damage {
        name: "a missing image of another branch",
        make: |golden| {
            let meta = format!("{{\"Name\":\"{BRANCH}\",\"Parent\":\"{FIRST}\",\"UserCreated\":true}}\n");
            fs::write(golden.dir.join(format!("{BRANCH}.meta")), meta).unwrap();
        },
        kind: "image_missing",
        file: BRANCH,
        saved: (true, ALL),
    },
    Damage {
        name: "a layer that is gone altogether",
        make: |golden| {
            fs::remove_file(golden.dir.join(FIRST)).unwrap();
            fs::remove_file(golden.dir.join(format!("{FIRST}.meta"))).unwrap();
        },
        kind: "layer_meta_missing",
        file: "volume-snap-snap-1.img.meta",
        saved: (false, &[]),
    },
    Damage {
        name: "corrupt metadata",
        make: |golden| fs::write(golden.dir.join(format!("{SECOND}.meta")), "{\"Parent\":").unwrap(),
        kind: "layer_meta_corrupt",
        file: "volume-snap-snap-2.img.meta",
        saved: (false, &["snap-1"]),
    },
    Damage {
        name: "an empty volume.meta",
        make: |golden| fs::write(golden.dir.join("volume.meta"), "").unwrap(),
        kind: "volume_meta_missing",
        file: "volume.meta",
        saved: (true, ALL),
    },
    Damage {
        name: "a corrupt volume.meta",
        make: |golden| fs::write(golden.dir.join("volume.meta"), "{\"Size\":16").unwrap(),
        kind: "volume_meta_corrupt",
        file: "volume.meta",
        saved: (true, ALL),
    },
    Damage {
        name: "a missing head",
        make: |golden| fs::remove_file(golden.dir.join(HEAD)).unwrap(),
        kind: "head_missing",
        file: HEAD,
        saved: (false, ALL),
    },
    Damage {
        name: "a head that is gone altogether, and volume.meta with it",
        make: |golden| {
            for file in [HEAD.to_owned(), format!("{HEAD}.meta"), "volume.meta".to_owned()] {
                fs::remove_file(golden.dir.join(file)).unwrap();
            }
        },
        kind: "volume_meta_corrupt",
        file: "volume.meta",
        saved: (false, ALL),
    },
    Damage {
        name: "a circle",
        make: |golden| {
            golden.edit(&format!("{FIRST}.meta"), "\"Parent\":\"\"", &format!("\"Parent\":\"{SECOND}\""));
        },
        kind: "circle",
        file: "volume-snap-snap-1.img.meta",
        saved: (false, &[]),
    },
    Damage {
        name: "a link in the place of an image",
        make: |golden| {
            let moved = golden.beside("elsewhere.img");
            fs::rename(golden.dir.join(THIRD), &moved).unwrap();
            std::os::unix::fs::symlink(&moved, golden.dir.join(THIRD)).unwrap();
        },
        kind: "image_not_a_file",
        file: THIRD,
        saved: (false, &["snap-1", "snap-2"]),
    },
    Damage {
        name: "a directory that was being rebuilt",
        make: |golden| golden.edit("volume.meta", "\"Rebuilding\":false", "\"Rebuilding\":true"),
        kind: "rebuilding",
        file: "volume.meta",
        saved: (false, &[]),
    },
    Damage {
        name: "nonsense in the revision counter",
        make: |golden| fs::write(golden.dir.join("revision.counter"), "many").unwrap(),
        kind: "revision_counter",
        file: "revision.counter",
        saved: (true, ALL),
    },
];

#[test]
fn every_damage_is_named_and_what_is_intact_is_exported() {
    for damage in DAMAGES {
        let golden = Golden::extract("s01-basic");
        (damage.make)(&golden);
        let before = state(&golden.dir);
        let description = inspect(&golden.dir);
        let problems = findings(&description, "problem");
        let expected = (damage.kind.to_owned(), damage.file.to_owned());
        assert!(problems.contains(&expected), "{}: {problems:?}", damage.name);
        let (head, snapshots) = damage.saved;
        let saved = serde_json::json!({"head": head, "snapshots": snapshots});
        assert_eq!(description["exportable"], saved, "{}", damage.name);

        let verified = run(&["verify", text(&golden.dir)]);
        assert_eq!(verified.code, 1, "{}", damage.name);
        assert!(verified.stdout.contains(damage.file), "{}: {}", damage.name, verified.stdout);

        check_export(&golden, damage, None, head);
        for name in ALL {
            check_export(&golden, damage, Some(name), snapshots.contains(name));
        }
        assert_eq!(state(&golden.dir), before, "{}", damage.name);
    }
}

/// What can be saved has Longhorn's bytes; what cannot is refused with the reason and leaves no file.
fn check_export(golden: &Golden, damage: &Damage, snapshot: Option<&str>, possible: bool) {
    let output = golden.output();
    let mut arguments = vec!["export", text(&golden.dir), "--output", text(&output)];
    arguments.extend(snapshot.iter().flat_map(|name| ["--snapshot", name]));
    let outcome = run(&arguments);
    if possible {
        assert_eq!(outcome.code, 0, "{}: {}", damage.name, outcome.stderr);
        let image = snapshot.map_or(HEAD.to_owned(), |name| format!("volume-snap-{name}.img"));
        assert_eq!(sha256(&output), golden.manifest.disks[&image].sha256_at_file_size, "{}", damage.name);
        fs::remove_file(&output).unwrap();
        return;
    }
    assert_eq!(outcome.code, 1, "{} {snapshot:?}: {}", damage.name, outcome.stdout);
    assert!(!output.exists());
    let names_what_is_left = ["can still be read", "it has "].iter().any(|phrase| outcome.stderr.contains(phrase));
    assert!(names_what_is_left, "{}: {}", damage.name, outcome.stderr);
    for name in damage.saved.1 {
        assert!(outcome.stderr.contains(name), "{}: {name} is not offered: {}", damage.name, outcome.stderr);
    }
}

#[test]
fn strays_are_told_and_stop_nothing() {
    let golden = Golden::extract("s01-basic");
    fs::write(golden.dir.join("notes.txt"), "mine").unwrap();
    fs::write(golden.dir.join("volume.meta.tmp"), "{").unwrap();
    fs::write(golden.dir.join("volume-head-007.img"), vec![7; 8192]).unwrap();
    let before = state(&golden.dir);
    let description = inspect(&golden.dir);
    assert_eq!(findings(&description, "problem"), []);
    let pair = |kind: &str, file: &str| (kind.to_owned(), file.to_owned());
    let warnings = findings(&description, "warning");
    assert_eq!(warnings, [pair("other_head", "volume-head-007.img"), pair("foreign_file", "notes.txt")]);
    assert_eq!(findings(&description, "note"), [pair("leftover", "volume.meta.tmp")]);
    assert_eq!(description["leftovers"], serde_json::json!(["volume.meta.tmp"]));
    assert_eq!(description["exportable"]["head"], true);
    assert_eq!(run(&["verify", text(&golden.dir)]).code, 0);
    assert_eq!(state(&golden.dir), before);
}

#[test]
fn an_image_cut_where_a_volume_could_end_is_doubted() {
    let golden = Golden::extract("s01-basic");
    golden.cut(FIRST, 8 << 20);
    let description = inspect(&golden.dir);
    let doubt = ("image_short".to_owned(), FIRST.to_owned());
    assert!(findings(&description, "warning").contains(&doubt), "{description}");
    let output = golden.output();
    let exported = run(&["export", text(&golden.dir), "--output", text(&output)]);
    assert!(exported.stderr.contains("warning: volume-snap-snap-1.img"), "{}", exported.stderr);
    // Older than an expansion, the same is right.
    assert_eq!(findings(&inspect(&Golden::extract("s04-expanded").dir), "warning"), []);
}

#[test]
fn a_checksum_that_no_longer_matches_is_a_problem_only_while_it_is_current() {
    let golden = Golden::extract("s08-hashed");
    let verify = || {
        let outcome = run(&["verify", "--json", text(&golden.dir)]);
        (outcome.code, serde_json::from_str::<serde_json::Value>(&outcome.stdout).unwrap())
    };
    let outcomes = |report: &serde_json::Value| -> Vec<String> {
        let results = report["checksums"].as_array().unwrap().iter();
        results.map(|result| result["outcome"].as_str().unwrap().to_owned()).collect()
    };
    let (code, report) = verify();
    assert_eq!((code, outcomes(&report)), (0, vec!["stale_matching".to_owned(); 2]), "extracting changed the times");

    hash_anew(&golden);
    let (code, report) = verify();
    assert_eq!((code, outcomes(&report)), (0, vec!["matching".to_owned(); 2]));

    // As if the disk returned something else: the file's times stay, the sum does not.
    let recorded = report["checksums"][0]["recorded"].as_str().unwrap();
    golden.edit("volume-snap-s1.img.checksum", recorded, "0123456789abcdef");
    let (code, report) = verify();
    assert_eq!((code, outcomes(&report)), (1, vec!["corrupt".to_owned(), "matching".to_owned()]));
    assert_eq!(findings(&report, "problem"), [("corrupt".to_owned(), "volume-snap-s1.img".to_owned())]);

    golden.edit("volume-snap-s1.img.checksum", "\"change_time\":\"", "\"change_time\":\"not ");
    let (code, report) = verify();
    assert_eq!((code, outcomes(&report)), (0, vec!["stale".to_owned(), "matching".to_owned()]));
}

fn hash_anew(golden: &Golden) {
    use aurochs_engine::replica::hash::HashControl;
    use aurochs_engine::replica::{OpenOptions, Replica};
    let replica = Replica::open(&golden.dir, OpenOptions { revision_counter: true, ..OpenOptions::default() }).unwrap();
    for snapshot in ["s1", "s2"] {
        replica.hash_snapshot(snapshot, true, &HashControl::default()).unwrap();
    }
    replica.close().unwrap();
}
