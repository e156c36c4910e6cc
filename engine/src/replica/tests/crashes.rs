//! Every state that a crash can leave a directory in opens with either the old or the new structure.

use std::fs;
use std::path::Path;

use nix::libc::EIO;

use super::super::names;
use super::{Scratch, bytes_in, filled, head_bytes, put, take};
use crate::disk::fault::fail;

const SIZE: u64 = 4 * 4096;

/// The steps of a snapshot "n" on a head "000", as `snapshot.rs` lists them, done by hand up to `step`.
fn snapshot_until(dir: &Path, step: u32) {
    let file = |name: &str| dir.join(name);
    let (old, new, snap) = ("volume-head-000.img", "volume-head-001.img", "volume-snap-n.img");
    let steps: [&dyn Fn(); 9] = [
        &|| fs::File::create_new(file(new)).unwrap().set_len(SIZE).unwrap(),
        &|| fs::write(file("volume-head-001.img.meta.tmp"), "{\"Na").unwrap(),
        &|| {
            fs::remove_file(file("volume-head-001.img.meta.tmp")).unwrap();
            let meta = format!("{{\"Name\":\"{new}\",\"Parent\":\"{snap}\",\"Created\":\"c\"}}\n");
            fs::write(file("volume-head-001.img.meta"), meta).unwrap();
        },
        &|| fs::hard_link(file(old), file(snap)).unwrap(),
        &|| fs::hard_link(file(&names::meta_of(old)), file(&names::meta_of(snap))).unwrap(),
        &|| {
            let meta = fs::read_to_string(file("volume.meta")).unwrap();
            let meta = meta.replace(old, new).replace("\"Parent\":\"\"", &format!("\"Parent\":\"{snap}\""));
            fs::write(file("volume.meta"), meta).unwrap();
        },
        &|| {
            fs::remove_file(file(&names::meta_of(snap))).unwrap();
            fs::write(file(&names::meta_of(snap)), "{\"Parent\":\"\",\"UserCreated\":true}\n").unwrap();
        },
        &|| fs::remove_file(file(&names::meta_of(old))).unwrap(),
        &|| fs::remove_file(file(old)).unwrap(),
    ];
    for step in &steps[..step as usize] {
        step();
    }
}

#[test]
fn a_snapshot_that_broke_off() {
    for step in 0..=9 {
        let scratch = Scratch::new(4);
        let replica = scratch.open();
        put(&replica, 1, 1, 7);
        drop(replica);
        snapshot_until(&scratch.dir, step);
        let taken = step >= 6;

        let replica = scratch.open();
        assert!(replica.was_dirty());
        assert_eq!(head_bytes(&replica), [0, 7, 0, 0], "after step {step}");
        let head = if taken { "volume-head-001.img" } else { "volume-head-000.img" };
        let mut files = vec!["aurochs.state".to_owned(), head.to_owned(), names::meta_of(head)];
        if taken {
            files.extend(["volume-snap-n.img".to_owned(), "volume-snap-n.img.meta".to_owned()]);
        }
        files.push("volume.meta".to_owned());
        assert_eq!(scratch.listing(), files, "after step {step}");

        // Life goes on: the snapshot can be taken if it was not, and what is written later does not change it.
        if !taken {
            take(&replica, "n");
        }
        put(&replica, 0, 4, 9);
        assert_eq!(bytes_in(&replica, "volume-snap-n.img"), [0, 7, 0, 0], "after step {step}");
        assert_eq!(head_bytes(&replica), [9; 4]);
        take(&replica, "m");
        replica.close().unwrap();
        assert_eq!(head_bytes(&scratch.open()), [9; 4]);
    }
}

#[test]
fn after_a_failed_sync_nothing_is_confirmed_until_the_next_open() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    put(&replica, 0, 1, 1);
    replica.flush().unwrap();
    {
        let _fault = fail("sync", "volume-head-000.img", EIO);
        assert!(replica.flush().unwrap_err().to_string().contains("Input/output error"));
    }
    assert!(replica.flush().unwrap_err().to_string().contains("Input/output error"), "though the disk syncs again");
    assert!(replica.snapshot("s", true, super::CREATED, &Default::default()).is_err());
    assert!(replica.close().is_err(), "not marked clean");
    drop(replica);
    let replica = scratch.open();
    assert!(replica.was_dirty());
    replica.flush().unwrap();
    replica.close().unwrap();
}

#[test]
fn a_head_with_data_of_its_own_is_never_deleted() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    put(&replica, 0, 1, 1);
    replica.close().unwrap();
    fs::copy(scratch.dir.join("volume-head-000.img"), scratch.dir.join("volume-head-001.img")).unwrap();
    let replica = scratch.open();
    take(&replica, "s");
    assert_eq!(replica.head_file(), "volume-head-002.img");
    assert_eq!(head_bytes(&replica), [1, 0, 0, 0]);
    assert_eq!(fs::read(scratch.dir.join("volume-head-001.img")).unwrap()[0], 1);
}

#[test]
fn small_files_that_were_being_replaced() {
    let scratch = Scratch::new(4);
    let strays = ["volume.meta.tmp", "aurochs.state.tmp", "revision.counter.tmp", "volume-snap-x.img.meta.tmp"];
    for stray in strays {
        fs::write(scratch.dir.join(stray), "{").unwrap();
    }
    fs::write(scratch.dir.join("unknown.tmp"), "not ours").unwrap();
    let replica = scratch.open();
    assert_eq!(head_bytes(&replica), [0; 4]);
    let left: Vec<_> = scratch.listing().into_iter().filter(|file| file.ends_with(".tmp")).collect();
    assert_eq!(left, ["unknown.tmp"]);
}

#[test]
fn an_interrupted_creation_is_done_again() {
    let scratch = Scratch::new(4);
    fs::remove_file(scratch.dir.join("volume.meta")).unwrap();
    assert!(!super::Replica::exists(&scratch.dir));
    super::Replica::create(&scratch.dir, 8 * 4096, scratch.options).unwrap();
    assert!(super::Replica::exists(&scratch.dir));
    assert_eq!(scratch.open().size(), 8 * 4096);
}

#[test]
fn metadata_off_the_chain_without_its_image_stops_no_open_and_no_snapshot() {
    let scratch = Scratch::new(4);
    let replica = scratch.open();
    take(&replica, "base");
    take(&replica, "leaf");
    replica.revert("base", super::CREATED).unwrap();
    replica.close().unwrap();
    fs::remove_file(scratch.dir.join("volume-snap-leaf.img")).unwrap();
    let replica = scratch.open();
    take(&replica, "other");
    replica.write(0, &filled(3, 10)).unwrap();
    replica.close().unwrap();
    let layers = scratch.open().layers().unwrap();
    let missing: Vec<_> =
        layers.iter().filter(|layer| layer.image_missing).map(|layer| layer.file_name.as_str()).collect();
    assert_eq!((layers.len(), missing), (4, vec!["volume-snap-leaf.img"]));
}

/// As if the host had rebooted since the file was written.
fn forget_boot(scratch: &Scratch) {
    let path = scratch.dir.join("aurochs.state");
    let text = fs::read_to_string(&path).unwrap();
    let (before, _) = text.split_once("\"boot_id\":\"").unwrap();
    fs::write(&path, format!("{before}\"boot_id\":\"before\"}}\n")).unwrap();
}

#[test]
fn a_reboot_while_dirty_is_remembered_until_the_replica_is_whole_again() {
    let scratch = Scratch::new(4);
    let rebooted = |replica: &super::Replica| {
        let fence = replica.fence();
        replica.was_dirty() && fence.previous_boot_id.is_some_and(|before| before != fence.boot_id)
    };
    drop(scratch.open());
    assert!(!rebooted(&scratch.open()), "only the process ended");
    forget_boot(&scratch);
    for _ in 0..2 {
        // Another crash, without a reboot, does not bring lost writes back.
        let replica = scratch.open();
        assert!(rebooted(&replica));
        replica.raise_fence(3, 1).unwrap();
    }
    let replica = scratch.open();
    let layers = replica.layers().unwrap();
    replica.rebuild_begin(&layers).unwrap();
    assert!(rebooted(&replica));
    replica.rebuild_finish().unwrap();
    drop(replica);
    assert!(!rebooted(&scratch.open()));

    forget_boot(&scratch);
    scratch.open().close().unwrap();
    assert!(!rebooted(&scratch.open()), "closed properly, nothing can be lost");
    drop(scratch.open());
    assert!(!rebooted(&scratch.open()));
}

/// Names that look like ours, and things that have our names and are no files of ours.
#[test]
fn what_a_person_put_there_is_left_alone() {
    let scratch = Scratch::new(8);
    let replica = scratch.open();
    take(&replica, "s");
    replica.close().unwrap();
    let at = |name: &str| scratch.dir.join(name);
    let photo = ["photo.img", "photo.img.tmp", "photo.img.abandoned"];
    std::fs::write(at(photo[0]), "a photo").unwrap();
    for name in &photo[1..] {
        std::fs::hard_link(at(photo[0]), at(name)).unwrap();
    }
    for name in ["notes.meta.tmp", "notes.checksum..tmp"] {
        std::fs::write(at(name), "mine").unwrap();
    }
    let directories = [
        "volume-snap-kept.img",
        "volume-head-007.img",
        "volume-snap-s.img.meta.tmp",
        "volume-snap-x.img.abandoned",
        "volume-snap-y.img.snap_tmp",
    ];
    directories.iter().for_each(|name| std::fs::create_dir(at(name)).unwrap());
    std::os::unix::fs::symlink("/dev/null", at("volume-snap-link.img")).unwrap();
    // Ours, so that something is tidied.
    std::fs::write(at("volume.meta.tmp"), "").unwrap();
    std::fs::write(at("volume-snap-empty.img"), "").unwrap();
    let mut before = scratch.listing();
    scratch.open().close().unwrap();
    before.retain(|name| name != "volume.meta.tmp" && name != "volume-snap-empty.img");
    assert_eq!(scratch.listing(), before);
}
