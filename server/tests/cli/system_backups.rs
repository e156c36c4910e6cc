//! Backups of the system, and bringing them back.

use std::fs;

use crate::world::{World, row};

#[test]
fn a_system_is_backed_up_and_brought_back_elsewhere() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let url = format!("vfs://{}", place.path().display());
    let one = World::start(1);
    let refused = one.fails(1, "system-backup create early");
    assert!(refused.contains("no address") && refused.contains("next: "), "{refused}");
    one.ok(&format!("backup-target set default --url {url}"));
    one.until("the target is read", || one.json("backup-target show default")["available"] == true);
    one.ok("setting set snapshot-max-count 44");
    one.ok("recurring-job create nightly --task snapshot --cron @daily --retain 3");
    assert!(one.ok("system-backup ls").contains("There are no system backups."));
    let made = one.ok("system-backup create before-upgrade --volumes disabled");
    assert!(made.contains("is complete"), "{made}");
    assert_eq!(row(&one.ok("system-backup ls"), "before-upgrade")[2], "complete");
    assert!(one.ok("system-backup show before-upgrade").contains("disabled"));
    drop(one);

    let two = World::start(1);
    two.ok(&format!("backup-target set default --url {url}"));
    two.until("the other one's system backup is found", || two.json("system-backup ls").as_array().unwrap().len() == 1);
    two.until("it is read", || two.json("system-backup show before-upgrade")["state"] == "Ready");
    let restored = two.ok("system-backup restore before-upgrade --yes");
    assert!(restored.contains("is restored"), "{restored}");
    assert_eq!(row(&two.ok("system-backup restores"), "before-upgrade-1")[2], "complete");
    assert_eq!(two.ok("setting get snapshot-max-count"), "44\n");
    assert!(two.ok("recurring-job ls").contains("nightly"));
    assert!(two.fails(4, "system-backup restore none --yes").contains("none"));
    two.ok("system-backup delete before-upgrade --yes");
    two.until("it is gone", || two.json("system-backup ls").as_array().unwrap().is_empty());
    let left = fs::read_dir(place.path().join("backupstore/system-backups")).map(Iterator::count).unwrap_or_default();
    assert_eq!(left, 0, "something of it is left");
}
