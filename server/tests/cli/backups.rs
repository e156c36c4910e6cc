//! Backups and where they are kept.

use std::fs;
use std::time::{Duration, Instant};

use crate::nbd::Nbd;
use crate::world::{World, row};

#[test]
fn a_volume_is_backed_up_restored_and_followed() {
    let world = World::start(1);
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let store = place.path().join("store");
    let url = format!("vfs://{}", store.display());

    // A directory that is not there is told of, with what to do, and nothing is made of it.
    world.ok(&format!("backup-target create offsite --url {url}"));
    let broken = world.fails(1, "backup-target test offsite");
    assert!(broken.contains("next: ") && !store.exists(), "{broken}");
    fs::create_dir(&store).unwrap();
    assert!(world.ok("backup-target test offsite").contains("can be used"));
    world.ok("backup-target set offsite --poll-interval 0");
    assert!(world.ok("backup-target show offsite").contains(&url));
    assert_eq!(row(&world.ok("backup-target ls"), "offsite")[2], url);
    assert!(world.ok("backup ls").contains("There are no backups."));

    world.volume("data", "--replicas 1");
    world.ok("volume attach data");
    let uri = |volume: &str| world.json(&format!("volume show {volume}"))["nbdUri"].as_str().unwrap().to_owned();
    Nbd::connect(&uri("data")).unwrap().write(0, &[7; 1 << 20]).unwrap();
    world.ok("api POST /v1/volumes/data?action=updateBackupTargetName {\"backupTargetName\":\"offsite\"}");
    let made = world.ok("backup create data --label app=shop");
    assert!(made.contains("is backed up as backup-"), "{made}");
    let name = world.ok("backup ls data -o name").trim().to_owned();
    let shown = world.ok(&format!("backup show {name}"));
    assert!(shown.contains("shop") && shown.contains("offsite"), "{shown}");
    assert_eq!(row(&world.ok("backup volumes"), "data")[1], "offsite");
    world.ok("backup-target sync offsite");
    assert!(world.ok(&format!("backup verify {name}")).contains("has succeeded"));
    assert!(world.ok(&format!("backup verify {name} --sample 1 --no-wait")).contains("verifies backup"));

    assert!(world.ok(&format!("backup restore {name} copy --replicas 1")).contains("is restored"));
    world.ok("volume attach copy");
    assert!(Nbd::connect(&uri("copy")).unwrap().read(0, 1 << 20).unwrap().iter().all(|byte| *byte == 7));
    world.ok(&format!("backup restore {name} standby --replicas 1 --standby"));
    let followed = world.fails(1, "backup-target rm offsite --yes");
    assert!(followed.contains("standby"), "{followed}");
    world.ok("volume activate standby");
    world.ok("volume wait standby --for detached --timeout 2m");

    world.ok(&format!("backup delete {name} --yes"));
    world.ok("backup-target rm offsite --yes");
    // What was shown of it goes first.
    let patience = Instant::now() + Duration::from_secs(60);
    while world.ok("backup-target ls").contains("offsite") {
        assert!(Instant::now() < patience, "the target stays");
    }
}
