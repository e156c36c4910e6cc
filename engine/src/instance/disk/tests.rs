//! Disks in real directories, and on file systems of their own where root allows it.

use std::process::Command;

use super::configuration::FILE;
use super::*;

/// A directory on a real file system: `/tmp` may be one that lacks what replicas need.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/var/tmp").unwrap()
}

#[test]
fn a_misspelt_path_stays_missing() {
    let place = place();
    let misspelt = place.path().join("mnt/sdd1");
    for make in [Make::Nothing, Make::Configuration] {
        assert!(matches!(inspect(&misspelt, make), Err(DiskError::Missing(_))), "{make:?}");
    }
    assert!(!misspelt.exists() && !place.path().join("mnt").exists());
    let made = inspect(&misspelt, Make::Directory).unwrap();
    assert!(!made.existed && !made.uuid.is_empty());
}

#[test]
fn an_unmounted_disk_leaves_a_directory_that_is_no_disk() {
    let place = place();
    let looked = inspect(place.path(), Make::Nothing).unwrap();
    assert_eq!((looked.uuid.as_str(), looked.existed), ("", false));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "a look makes nothing");
}

#[test]
fn a_new_disk_gets_an_identity_and_keeps_it() {
    let place = place();
    let first = inspect(place.path(), Make::Configuration).unwrap();
    assert!(first.maximum_bytes >= first.available_bytes && first.available_bytes > 0);
    assert!(!first.existed);
    for make in [Make::Nothing, Make::Configuration, Make::Directory] {
        let again = inspect(place.path(), make).unwrap();
        assert_eq!((again.uuid.as_str(), again.existed), (first.uuid.as_str(), true));
    }
    let text = fs::read_to_string(place.path().join(FILE)).unwrap();
    assert!(text.starts_with('{') && text.ends_with('}') && text.contains(r#""state":"ready""#), "{text}");
    let mut names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [FILE, REPLICAS], "nothing unfinished is left");
}

#[test]
fn configurations_of_others() {
    let place = place();
    let file = place.path().join(FILE);
    fs::write(&file, r#"{"diskUUID":"old"}"#).unwrap();
    assert_eq!(inspect(place.path(), Make::Nothing).unwrap().uuid, "old", "as older releases wrote it");
    for broken in ["{", "", "{}", r#"{"diskUUID":""}"#, "[]"] {
        fs::write(&file, broken).unwrap();
        let error = inspect(place.path(), Make::Directory).unwrap_err();
        assert!(matches!(error, DiskError::Configuration { .. }), "{broken:?}: {error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), broken, "it is never replaced");
    }
}

#[test]
fn what_is_no_directory_is_no_disk() {
    let place = place();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    for make in [Make::Nothing, Make::Configuration, Make::Directory] {
        assert!(matches!(inspect(&file, make), Err(DiskError::NotADirectory(_))));
        assert!(matches!(inspect(&file.join("below"), make), Err(DiskError::NotADirectory(_))));
        assert!(matches!(inspect(Path::new("relative"), make), Err(DiskError::NotAbsolute(_))));
        assert!(matches!(inspect(Path::new("/var/../etc"), make), Err(DiskError::NotAbsolute(_))));
    }
}

#[test]
fn only_directories_with_a_replica_are_told() {
    let place = place();
    inspect(place.path(), Make::Configuration).unwrap();
    let replicas = place.path().join(REPLICAS);
    for (name, file) in [("vol-00000001", "volume.meta"), ("lost+found", "x"), ("vol-00000002", "volume-head-000.img")]
    {
        fs::create_dir(replicas.join(name)).unwrap();
        fs::write(replicas.join(name).join(file), vec![1; 8192]).unwrap();
    }
    fs::write(replicas.join("volume.meta"), "").unwrap();
    let told = inspect(place.path(), Make::Nothing).unwrap().replica_directories;
    assert_eq!(told.keys().collect::<Vec<_>>(), ["vol-00000001"]);
    assert!(told["vol-00000001"] >= 8192);
}

#[test]
fn names_that_nobody_can_say_are_told_apart() {
    use std::os::unix::ffi::OsStrExt;
    let place = place();
    inspect(place.path(), Make::Configuration).unwrap();
    let replicas = place.path().join(REPLICAS);
    for name in [&b"vol-00000001"[..], b"v\xff-00000002", b"v\nforged-00000003"] {
        let directory = replicas.join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("volume.meta"), "").unwrap();
    }
    let told = inspect(place.path(), Make::Nothing).unwrap();
    assert_eq!(told.replica_directories.keys().collect::<Vec<_>>(), ["vol-00000001"]);
    assert_eq!(told.unnamed_directories, [r#""v\nforged-00000003""#, r#""v\xFF-00000002""#]);
}

#[test]
fn only_replica_directories_of_the_right_disk_are_deleted() {
    let place = place();
    for path in ["/", "/etc", "/x/replicas/../../etc", "relative/replicas/a"] {
        assert!(matches!(delete_replica(Path::new(path), ""), Err(DiskError::NotAReplica(_))), "{path}");
    }
    delete_replica(&place.path().join("replicas/missing"), "").unwrap();
    let uuid = inspect(place.path(), Make::Configuration).unwrap().uuid;
    let directory = place.path().join("replicas/vol-00000001");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("volume.meta"), "{}").unwrap();
    let refused = delete_replica(&directory, "other").unwrap_err();
    assert!(matches!(&refused, DiskError::OtherDisk { found: Some(found), .. } if *found == uuid), "{refused}");
    assert!(directory.exists());
    fs::remove_file(place.path().join(FILE)).unwrap();
    let refused = delete_replica(&directory, &uuid).unwrap_err();
    assert!(refused.to_string().contains("holds no disk"), "{refused}");
    fs::write(place.path().join(FILE), format!(r#"{{"diskUUID":"{uuid}"}}"#)).unwrap();
    delete_replica(&directory, &uuid).unwrap();
    assert!(!directory.exists());
    // Gone already, and the disk is the right one: nothing to do.
    delete_replica(&directory, &uuid).unwrap();
}

// === file systems of their own ===

/// An image of a file system, mounted; unmounted when it goes. `None` where that is not allowed.
struct Mounted {
    place: tempfile::TempDir,
}

impl Mounted {
    fn new(mkfs: &[&str], options: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let mounted = Self { place: place() };
        let image = mounted.place.path().join("image");
        // The smallest that mkfs.xfs takes; sparse.
        fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
        fs::create_dir(mounted.point()).unwrap();
        let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let formatted = run(Command::new(mkfs[0]).args(&mkfs[1..]).arg(&image));
        let up = formatted && run(Command::new("mount").args(["-o", options]).arg(&image).arg(mounted.point()));
        up.then_some(mounted)
    }

    fn point(&self) -> PathBuf {
        self.place.path().join("mnt")
    }

    fn remount(&self, options: &str) {
        let done = Command::new("mount").args(["-o", options]).arg(self.point()).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Also of what never was mounted.
        let _ = Command::new("umount").arg("-l").arg(self.point()).output();
    }
}

#[test]
fn file_systems_are_told_by_name_with_their_limits() {
    for (mkfs, kind, largest) in [
        (["mkfs.ext4", "-qF", "-b4096"], "ext4", (16_u64 << 40) - 4096),
        (["mkfs.xfs", "-qf", "-bsize=4096"], "xfs", (1 << 63) - 1),
    ] {
        let Some(mounted) = Mounted::new(&mkfs, "loop") else { continue };
        let disk = inspect(&mounted.point(), Make::Configuration).unwrap();
        assert_eq!(disk.filesystem_type, kind);
        assert_eq!(disk.maximum_file_bytes, largest);
        assert_eq!(disk.mount_point, mounted.point());
        assert!(disk.device.starts_with("/dev"), "{:?}", disk.device);
        assert!(disk.maximum_bytes < 320 << 20 && disk.maximum_bytes > 100 << 20);
        assert_eq!(disk.ability, Ability { direct_io: true, extent_map: true, write_error: String::new() });
        let below = mounted.point().join("below");
        fs::create_dir(&below).unwrap();
        assert_eq!(inspect(&below, Make::Nothing).unwrap().filesystem_id, disk.filesystem_id);
        assert_ne!(inspect(mounted.place.path(), Make::Nothing).unwrap().filesystem_id, disk.filesystem_id);
    }
}

#[test]
fn a_read_only_file_system_says_so_and_is_not_written_to() {
    let Some(mounted) = Mounted::new(&["mkfs.ext4", "-qF"], "loop") else { return };
    mounted.remount("remount,ro");
    let disk = inspect(&mounted.point(), Make::Configuration).unwrap();
    assert!(disk.read_only && disk.uuid.is_empty());
    assert!(disk.ability.write_error.contains("read-only"));
    mounted.remount("remount,rw");
    let disk = inspect(&mounted.point(), Make::Configuration).unwrap();
    assert!(!disk.read_only && !disk.uuid.is_empty() && disk.ability.write_error.is_empty());
}

#[test]
fn a_full_disk_is_full_and_not_broken() {
    let Some(mounted) = Mounted::new(&["mkfs.ext4", "-qF"], "loop") else { return };
    inspect(&mounted.point(), Make::Configuration).unwrap();
    let filled = Command::new("sh").arg("-c").arg("cat /dev/zero >fill").current_dir(mounted.point()).output().unwrap();
    assert!(!filled.status.success());
    let disk = inspect(&mounted.point(), Make::Nothing).unwrap();
    assert_eq!((disk.available_bytes, disk.ability.write_error.as_str()), (0, ""));
}

#[test]
fn a_disk_is_known_again_wherever_it_is_mounted() {
    let Some(mounted) = Mounted::new(&["mkfs.ext4", "-qF"], "loop") else { return };
    let uuid = inspect(&mounted.point(), Make::Configuration).unwrap().uuid;
    let directory = mounted.point().join("replicas/vol-00000001");
    check_holder(&directory, &uuid).unwrap();
    assert!(Command::new("umount").arg(mounted.point()).status().unwrap().success());
    assert_eq!(inspect(&mounted.point(), Make::Nothing).unwrap().uuid, "", "the empty mount point is no disk");
    assert!(matches!(check_holder(&directory, &uuid), Err(DiskError::OtherDisk { found: None, .. })));
    let image = mounted.place.path().join("image");
    let again = Command::new("mount").args(["-o", "loop"]).arg(image).arg(mounted.point()).status().unwrap();
    assert!(again.success());
    assert_eq!(inspect(&mounted.point(), Make::Nothing).unwrap().uuid, uuid);
}
