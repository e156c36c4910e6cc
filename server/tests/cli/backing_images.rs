//! Backing images, from a file to a file.

use std::fs;

use crate::nbd::Nbd;
use crate::world::{World, row};

#[test]
fn an_image_is_sent_stood_on_backed_up_and_brought_back() {
    let world = World::start(1);
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let (file, store) = (place.path().join("a.img"), place.path().join("store"));
    fs::create_dir(&store).unwrap();
    let content: Vec<u8> = (0..4 << 20).map(|at: u32| (at / 4096 % 251) as u8).collect();
    fs::write(&file, &content).unwrap();
    assert!(world.ok("backing-image ls").contains("There are no backing images."));

    let made = world.ok(&format!("backing-image create debian --file {} --copies 1", file.display()));
    assert!(made.contains("is there"), "{made}");
    let list = world.ok("backing-image ls");
    let shown = row(&list, "debian");
    assert_eq!((shown[1], shown[shown.len() - 1]), ("ready", "-"), "{list}");
    let again = world.fails(1, &format!("backing-image upload debian {}", file.display()));
    assert!(again.contains("takes no upload now"), "{again}");
    world.ok("backing-image set debian --copies 1");
    let image = world.json("backing-image show debian");
    let disk = image["diskFileStatusMap"].as_object().unwrap().keys().next().unwrap().clone();
    let last = world.fails(1, &format!("backing-image clean-up debian {disk}"));
    assert!(last.contains("no disk any more"), "{last}");

    world.volume("data", "--replicas 1 --backing-image debian");
    world.ok("volume attach data");
    let uri = world.json("volume show data")["nbdUri"].as_str().unwrap().to_owned();
    assert!(Nbd::connect(&uri).unwrap().read(0, 4 << 20).unwrap() == content);
    assert!(world.fails(1, "backing-image rm debian --yes").contains("data"));
    world.ok("volume detach data");
    world.ok("volume rm data --yes");

    world.ok(&format!("backup-target set default --url vfs://{}", store.display()));
    world.until("the target can be used", || world.json("backup-target show default")["available"] == true);
    assert!(world.ok("backing-image back-up debian --target default").contains("is backed up as debian-"));
    let backup = world.ok("backing-image backups -o name").trim().to_owned();
    world.ok("backing-image rm debian --yes");
    world.until("the image is gone", || world.run("backing-image show debian").code != 0);
    assert!(world.ok(&format!("backing-image restore {backup}")).contains("is being restored"));
    world.until("the image is back", || row(&world.ok("backing-image ls"), "debian")[1] == "ready");
    let out = place.path().join("out.img");
    world.ok(&format!("backing-image download debian {}", out.display()));
    assert!(fs::read(&out).unwrap() == content);
    world.ok(&format!("backing-image rm-backup {backup} --yes"));
    world.until("the backup is gone", || !world.ok("backing-image backups").contains(&backup));
}
