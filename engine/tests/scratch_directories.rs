//! What killed tests have left behind goes, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scratch;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn directories_of_dead_processes_that_nothing_uses_are_removed() {
    let parent = tempfile::tempdir_in("/var/tmp").unwrap();
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let left = [0; 2].map(|_| scratch::directory_in(parent.path(), owner.id()).keep());
    std::fs::write(left[0].join("volume-head-000.img"), "data").unwrap();
    let others = ["aur-nobodys", "aur-1", "other"].map(|name| parent.path().join(name));
    others.iter().for_each(|other| std::fs::create_dir(other).unwrap());
    scratch::sweep(parent.path());
    assert!(left[0].exists() && left[1].exists(), "their process lives");

    owner.kill().unwrap();
    owner.wait().unwrap();
    // A process of the dead one's still runs on the second.
    let log = left[1].join("log");
    std::fs::write(&log, "in use\n").unwrap();
    let mut user = Command::new("tail").arg("-f").arg(&log).stdout(Stdio::piped()).spawn().unwrap();
    // Right after it was started the kernel may not tell its arguments yet. It ends when nobody can read what it says.
    let mut saying = BufReader::new(user.stdout.take().unwrap());
    let mut said = String::new();
    saying.read_line(&mut said).unwrap();
    assert_eq!(said, "in use\n");
    scratch::sweep(parent.path());
    let exist = (left[0].exists(), left[1].exists());
    user.kill().unwrap();
    user.wait().unwrap();
    assert_eq!(exist, (false, true));
    assert!(others.iter().all(|other| other.exists()));
    scratch::sweep(parent.path());
    assert!(!left[1].exists());
}
