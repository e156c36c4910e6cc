//! Directories that somebody uses, and places that are none.

use aurochs_engine::replica::{OpenOptions, Replica};

use super::{findings, inspect, run, text};
use crate::golden_archive::Golden;

#[test]
fn a_directory_that_a_replica_has_open_is_refused_with_its_process() {
    let golden = Golden::extract("s01-basic");
    let replica = Replica::open(&golden.dir, OpenOptions { revision_counter: true, ..OpenOptions::default() }).unwrap();
    let (dir, output) = (text(&golden.dir).to_owned(), golden.output());
    let own = std::process::id().to_string();
    let commands: [&[&str]; 4] = [
        &["inspect", &dir],
        &["verify", &dir],
        &["export", &dir, "--output", text(&output)],
        &["launch-simple-longhorn", &dir, "--name", "v"],
    ];
    for command in commands {
        let refused = run(command);
        assert_eq!(refused.code, 2, "{command:?}: {}", refused.stdout);
        assert!(refused.stderr.contains("in use by process"), "{}", refused.stderr);
        assert!(refused.stderr.contains(&own), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    replica.close().unwrap();
    inspect(&golden.dir);
}

/// Longhorn's replicas take no lock; only their open files tell.
#[test]
fn a_process_that_writes_without_a_lock_is_told() {
    let golden = Golden::extract("s01-basic");
    let head = golden.dir.join("volume-head-003.img");
    let _open = std::fs::File::options().write(true).open(&head).unwrap();
    let open = ("open_elsewhere".to_owned(), "volume-head-003.img".to_owned());
    assert_eq!(findings(&inspect(&golden.dir), "warning"), [open]);
    let refused = run(&["launch-simple-longhorn", text(&golden.dir), "--name", "v"]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(refused.stderr.contains("volume-head-003.img open"), "{}", refused.stderr);
}

#[test]
fn a_place_without_a_replica_is_said_to_be_none() {
    let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
    for (place, expected) in [(scratch.path().join("nowhere"), "no directory"), (scratch.path().into(), "no replica")] {
        for command in ["inspect", "verify"] {
            let refused = run(&[command, text(&place)]);
            assert_eq!(refused.code, 2);
            assert!(refused.stderr.contains(expected), "{}", refused.stderr);
        }
    }
    std::fs::write(scratch.path().join("letter.txt"), "dear").unwrap();
    let refused = run(&["launch-simple-longhorn", text(scratch.path()), "--name", "v"]);
    assert_ne!(refused.code, 0);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing is put beside other people's files");
}
