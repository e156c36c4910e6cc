//! Files out of a snapshot, and out of a backup of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::nbd::Nbd;
use crate::world::{World, row};

/// A file system with one folder, in a file.
fn image(place: &Path, word: &str) -> Vec<u8> {
    let (source, image) = (place.join(word), place.join("image"));
    fs::create_dir_all(source.join("etc")).unwrap();
    fs::write(source.join("etc/word"), word).unwrap();
    let mut command = Command::new("mke2fs");
    let output = command.args(["-q", "-F", "-t", "ext4", "-d"]).arg(source).arg(&image).arg("16M").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let bytes = fs::read(&image).unwrap();
    fs::remove_file(image).unwrap();
    bytes
}

#[test]
fn a_file_is_taken_out_of_a_snapshot() {
    let world = World::start(1);
    world.volume("data", "--replicas 1");
    let detached = world.fails(1, "volume files ls data --snapshot first");
    assert!(detached.contains("not attached") && detached.contains("next: "), "{detached}");
    world.ok("volume attach data");
    let uri = world.json("volume show data")["nbdUri"].as_str().unwrap().to_owned();
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let write = |word: &str| {
        let mut disk = Nbd::connect(&uri).unwrap();
        for (index, piece) in image(place.path(), word).chunks(1 << 20).enumerate() {
            disk.write((index as u64) << 20, piece).unwrap();
        }
    };
    write("old");
    world.ok("snapshot create data first --timeout 2m");
    write("new");

    let table = world.ok("volume files ls data --snapshot first");
    assert_eq!(row(&table, "etc")[1], "directory", "{table}");
    let seen = world.json("volume files ls data /etc --snapshot first");
    assert_eq!((&seen[0]["path"], &seen[0]["size"]), (&"/etc/word".into(), &3.into()), "{seen}");
    let file = place.path().join("word");
    let taken = world.ok(&format!("volume files get data /etc/word --snapshot first --file {}", file.display()));
    assert!(taken.contains("has 3 B"), "{taken}");
    assert_eq!(fs::read(&file).unwrap(), b"old");
    assert_eq!(world.ok("volume files get data /etc/word --snapshot first --file -"), "old");
    let again = world.fails(1, &format!("volume files get data /etc/word --snapshot first --file {}", file.display()));
    assert!(again.contains("can't be written"), "{again}");
    let tar = place.path().join("etc.tar");
    world.ok(&format!("volume files get data /etc --snapshot first --file {}", tar.display()));
    let listed = Command::new("tar").arg("-tf").arg(&tar).output().unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), "etc/\netc/word\n");
    assert!(world.fails(4, "volume files get data /none --snapshot first").contains("there is no /none"));
    assert!(world.fails(4, "volume files ls data --snapshot none").contains("none"));
    out_of_a_backup(&world, place.path());
}

fn out_of_a_backup(world: &World, place: &Path) {
    let target = place.join("target");
    fs::create_dir(&target).unwrap();
    world.ok(&format!("backup-target set default --url vfs://{}", target.display()));
    world.ok("backup-target test default");
    world.ok("backup create data --snapshot first");
    let name = world.ok("backup ls data -o name").trim().to_owned();
    let table = world.ok(&format!("backup files ls {name}"));
    assert_eq!(row(&table, "etc")[1], "directory", "{table}");
    let file = place.join("out-of-a-backup");
    let taken = world.ok(&format!("backup files get {name} /etc/word --file {}", file.display()));
    assert!(taken.contains("has 3 B"), "{taken}");
    assert_eq!(fs::read(&file).unwrap(), b"old");
    assert!(world.fails(4, &format!("backup files ls {name} /none")).contains("there is no /none"));
    assert!(world.fails(4, "backup files ls none").contains("none"));
}
