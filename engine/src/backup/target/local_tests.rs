use std::time::Duration;

use super::*;

fn opened(place: &Path) -> Result<Directory, StoreError> {
    Directory::open(place, None, Silence::new("the disk", Duration::from_secs(1)))
}

fn directory() -> (tempfile::TempDir, Directory) {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let directory = opened(place.path()).unwrap();
    (place, directory)
}

#[test]
fn a_temporary_name_is_known_by_its_number() {
    assert!(is_temporary("volume.cfg.tmp.1763783803123456789"));
    assert!(is_temporary(".nfs000000000000000400000001"));
    for name in
        [".nfs0001", ".nfs00000000000000040000000x", "volume.cfg", "a.tmp.b.cfg", "a.tmp.", "a.tmp", "a.tmp.12x"]
    {
        assert!(!is_temporary(name), "{name}");
    }
}

#[test]
fn what_a_crash_left_is_in_no_listing_and_in_nobodys_way() {
    let (place, directory) = directory();
    directory.write("backupstore/v/volume.cfg", b"{}").unwrap();
    fs::write(place.path().join("backupstore/v/volume.cfg.tmp.17637838031"), b"{").unwrap();
    let names: Vec<String> = directory.list("backupstore/v").unwrap().files.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["volume.cfg"]);
    directory.write("backupstore/v/volume.cfg", b"{ }").unwrap();
    assert_eq!(directory.read("backupstore/v/volume.cfg", 10).unwrap(), "{ }");
    directory.remove_all("backupstore/v").unwrap();
    assert!(!place.path().join("backupstore/v").exists());
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
    let (place, directory) = directory();
    directory.write("backupstore/v/volume.cfg", b"old").unwrap();
    // A directory under the name of the file: the rename is what fails.
    fs::create_dir_all(place.path().join("backupstore/v/other.cfg/x")).unwrap();
    directory.write("backupstore/v/other.cfg", b"new").unwrap_err();
    let left: Vec<_> =
        fs::read_dir(place.path().join("backupstore/v")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(directory.read("backupstore/v/volume.cfg", 10).unwrap(), "old");
}

#[test]
fn a_file_above_the_limit_is_refused_before_it_is_in_memory() {
    let (place, directory) = directory();
    File::create(place.path().join("huge")).unwrap().set_len(1 << 40).unwrap();
    let error = directory.read("huge", 1 << 20).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
}

#[test]
fn a_large_file_comes_and_goes_in_pieces() {
    let (_place, directory) = directory();
    for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE - 1] {
        let data: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        directory.write("backupstore/large", &data).unwrap();
        assert!(directory.read("backupstore/large", length as u64).unwrap() == data, "{length}");
        let error = directory.read("backupstore/large", (length as u64).saturating_sub(1));
        assert_eq!(error.is_err(), length > 0, "{length}");
    }
}

#[test]
fn empty_directories_go_with_the_last_file_up_to_the_top() {
    let (place, directory) = directory();
    directory.write("backupstore/volumes/ab/cd/v/blocks/12/34/b.blk", b"b").unwrap();
    directory.write("backupstore/volumes/ab/cd/v/volume.cfg", b"b").unwrap();
    directory.remove("backupstore/volumes/ab/cd/v/blocks/12/34/b.blk").unwrap();
    assert!(!place.path().join("backupstore/volumes/ab/cd/v/blocks").exists());
    assert!(place.path().join("backupstore/volumes/ab/cd/v/volume.cfg").exists());
    directory.remove("backupstore/volumes/ab/cd/v/volume.cfg").unwrap();
    assert!(!place.path().join("backupstore/volumes").exists());
    assert!(place.path().join("backupstore").exists());
}

#[test]
fn writers_and_removers_of_the_same_directory_do_not_disturb_each_other() {
    let (_place, directory) = directory();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let directory = &directory;
            scope.spawn(move || {
                for _ in 0..50 {
                    let path = format!("backupstore/volumes/ab/cd/v/locks/lock-{writer}.lck");
                    directory.write(&path, b"lock").unwrap();
                    directory.remove(&path).unwrap();
                }
            });
        }
    });
    assert_eq!(directory.list("backupstore").unwrap(), Listing::default());
}

#[test]
fn a_target_that_went_away_is_an_error_and_not_empty() {
    let (place, directory) = directory();
    fs::remove_dir_all(place.path()).unwrap();
    for error in [
        directory.list("backupstore").unwrap_err(),
        directory.facts("backupstore/x").unwrap_err(),
        directory.write("backupstore/x", b"x").unwrap_err(),
        directory.remove("backupstore/x").unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Mount, "{error}");
    }
    assert!(!place.path().exists());
    assert_eq!(opened(place.path()).err().unwrap().kind(), ErrorKind::NoBucket);
}
