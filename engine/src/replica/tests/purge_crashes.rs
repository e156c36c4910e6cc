//! A process that is killed at every named place of a purge, again and again until the purge comes through: what is
//! seen stays the same each time, and in the end the directory is that of a purge that nothing disturbed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::{OpenOptions, Replica};
use super::{Scratch, bytes_in, listing, put, take};
use crate::crash_point;

const DIRECTORY: &str = "AUROCHS_TEST_DIRECTORY";
const SELF: &str = "replica::tests::purge_crashes::purges_one_directory";
const BLOCKS: usize = 600;

/// Every kind of step: a leaf, two merges of which one grows a file and takes several pieces, a prune.
fn prepare() -> Scratch {
    let scratch = Scratch::new(BLOCKS);
    let replica = scratch.open();
    put(&replica, 0, 40, 1);
    take(&replica, "root");
    put(&replica, 10, 40, 2);
    take(&replica, "short");
    put(&replica, 20, BLOCKS - 20, 3);
    take(&replica, "kept");
    put(&replica, 30, 40, 4);
    take(&replica, "leaf");
    replica.revert("kept", super::CREATED).unwrap();
    put(&replica, 35, 40, 5);
    take(&replica, "middle");
    put(&replica, 45, 40, 6);
    take(&replica, "under-head");
    put(&replica, 50, 10, 7);
    replica.close().unwrap();
    // As if an expansion had come between.
    let file = std::fs::File::options().write(true).open(scratch.dir.join("volume-snap-short.img")).unwrap();
    file.set_len(100 * 4096).unwrap();
    scratch
}

const MARKED: [&str; 4] = ["short", "leaf", "middle", "under-head"];

/// What the child process does; in an ordinary run of the tests it has nothing to do.
#[test]
fn purges_one_directory() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let replica = Replica::open(&PathBuf::from(dir), OpenOptions::default()).unwrap();
    replica.mark_removed(&MARKED.map(str::to_owned)).unwrap_or_else(|error| {
        // An earlier attempt has come further.
        assert!(error.to_string().contains("no snapshot"), "{error}");
    });
    replica.purge().unwrap();
    replica.close().unwrap();
}

/// Whether the process came through.
fn run_child(dir: &Path, crash_at: &str) -> bool {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", SELF, "--nocapture"])
        .env(DIRECTORY, dir)
        .env(crash_point::CRASH_AT, crash_at)
        .output()
        .unwrap();
    use std::os::unix::process::ExitStatusExt;
    let killed = child.status.signal() == Some(9);
    assert!(killed || child.status.success(), "{crash_at}: {}", String::from_utf8_lossy(&child.stderr));
    !killed
}

/// What is seen from the head and the snapshots that stay.
fn seen(dir: &Path) -> Vec<Vec<u8>> {
    let replica = Replica::open(dir, OpenOptions::default()).unwrap();
    let head = replica.head_file();
    let seen = ["volume-snap-root.img", "volume-snap-kept.img", head.as_str()].map(|file| bytes_in(&replica, file));
    // Not closed: as a crash finds it.
    drop(replica);
    seen.into()
}

/// Every file but the state that differs by time: size, and content through which holes show as zeros.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = listing(dir).into_iter().filter(|name| name != "aurochs.state" && name != "volume.meta");
    names.map(|name| (name.clone(), std::fs::read(dir.join(&name)).unwrap())).collect()
}

fn points() -> impl Iterator<Item = &'static str> {
    crash_point::ALL.iter().copied().filter(|name| name.starts_with("purge.") || *name == "remove.marked")
}

#[test]
fn a_purge_killed_at_every_step_is_completed_by_the_next_open_and_purge() {
    let undisturbed = prepare();
    let expected_view = seen(&undisturbed.dir);
    assert!(run_child(&undisturbed.dir, ""));
    assert_eq!(seen(&undisturbed.dir), expected_view);
    let expected_files = files(&undisturbed.dir);
    assert_eq!(expected_files.keys().filter(|name| name.ends_with(".img")).count(), 4, "{:?}", expected_files.keys());
    for point in points() {
        // The first time, and the second where there is one.
        for nth in 1..=2 {
            let scratch = prepare();
            let came_through = run_child(&scratch.dir, &format!("{point}:{nth}"));
            assert!(!came_through || nth > 1, "nothing reaches {point}");
            assert_eq!(seen(&scratch.dir), expected_view, "{point}:{nth}");
            assert!(run_child(&scratch.dir, ""));
            assert_eq!(seen(&scratch.dir), expected_view, "{point}:{nth}, purged again");
            let files = files(&scratch.dir);
            assert_eq!(files.keys().collect::<Vec<_>>(), expected_files.keys().collect::<Vec<_>>(), "{point}:{nth}");
            let differs = files.iter().find(|(name, content)| expected_files[*name] != **content);
            assert!(differs.is_none(), "{point}:{nth}: {} differs", differs.unwrap().0);
        }
    }
}

/// Killed at one place after the other in the same directory.
#[test]
fn one_directory_survives_all_of_them() {
    let scratch = prepare();
    let expected = seen(&scratch.dir);
    for point in points() {
        run_child(&scratch.dir, point);
        assert_eq!(seen(&scratch.dir), expected, "{point}");
    }
    assert!(run_child(&scratch.dir, ""));
    assert_eq!(seen(&scratch.dir), expected);
}
