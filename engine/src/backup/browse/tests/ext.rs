//! ext2, ext3 and ext4, made by `mke2fs`, changed by `debugfs`, judged by `e2fsck`.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use super::super::entry::Kind;
use super::super::{BrowseError, Cancel};
use super::{content, names, noise, open, path, run, try_open};

/// A directory with everything that files can be.
fn plant(root: &Path) {
    fs::create_dir_all(root.join("etc/nginx")).unwrap();
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    fs::write(root.join("etc/nginx/näme 名前 🦬.conf"), "server {}\n").unwrap();
    fs::set_permissions(root.join("etc/hosts"), fs::Permissions::from_mode(0o4750)).unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::create_dir(root.join("nothing")).unwrap();
    let deep = (0..60).fold(root.join("deep"), |path, level| path.join(format!("level-{level}")));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("bottom"), "here\n").unwrap();
    fs::write(root.join("large"), noise(1, 3_000_001)).unwrap();
    fs::hard_link(root.join("large"), root.join("large-too")).unwrap();
    symlink("hosts", root.join("etc/short")).unwrap();
    symlink("/etc/../etc/./hosts", root.join("absolute")).unwrap();
    symlink("a/".repeat(100) + "nowhere", root.join("long")).unwrap();
    symlink("circle", root.join("circle")).unwrap();
    symlink("etc", root.join("to-etc")).unwrap();
    symlink("../../../../etc/hosts", root.join("out")).unwrap();
    // 300 MiB with data in every other MiB's first block, and at the end.
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(300 << 20).unwrap();
    for index in 0..600_u64 {
        sparse.write_all_at(&noise(index, 4096), index << 19).unwrap();
    }
    let time = |seconds: i64| {
        let distance = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
    };
    for (name, seconds) in [("old", -300_000_000), ("future", 3_000_000_000_i64), ("now", 1_795_000_000)] {
        let file = File::create(root.join(name)).unwrap();
        file.set_modified(time(seconds)).unwrap();
    }
    fs::create_dir(root.join("many")).unwrap();
    for index in 0..3000 {
        fs::write(root.join(format!("many/file-{index:05}")), index.to_string()).unwrap();
    }
}

struct Made {
    place: tempfile::TempDir,
}

impl Made {
    fn image(&self) -> PathBuf {
        self.place.path().join("image")
    }

    fn source(&self) -> PathBuf {
        self.place.path().join("source")
    }

    /// What `debugfs` is to do.
    fn debugfs(&self, commands: &str) -> String {
        let script = self.place.path().join("commands");
        fs::write(&script, commands).unwrap();
        let text = run(Command::new("debugfs").arg("-w").arg("-f").arg(&script).arg(self.image()));
        assert!(!text.contains("not found") && !text.contains("Usage"), "{text}");
        text
    }

    /// What a mount would do first.
    fn replayed(&self) -> PathBuf {
        let copy = self.place.path().join("replayed");
        fs::copy(self.image(), &copy).unwrap();
        // Ends with 1 when it replayed something.
        let output = Command::new("e2fsck").args(["-E", "journal_only", "-y"]).arg(&copy).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code <= 1), "{output:?}");
        copy
    }
}

fn make(kind: &str, size: &str, options: &[&str], plant: impl FnOnce(&Path)) -> Made {
    let made = Made { place: tempfile::tempdir_in("/var/tmp").unwrap() };
    fs::create_dir(made.source()).unwrap();
    plant(&made.source());
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-t", kind, "-L", "data"]).args(options).arg("-d").arg(made.source());
    run(command.arg(made.image()).arg(size));
    made
}

fn planted() -> Made {
    let made = make("ext4", "64M", &[], plant);
    // mke2fs forgets the bits of a time above the 32nd.
    made.debugfs("set_inode_field future mtime_extra 1\n");
    made
}

#[test]
fn everything_in_an_ext4_is_found() {
    let made = planted();
    let browser = open(&made.image());
    assert_eq!((browser.kind(), browser.label().as_str(), browser.partition()), ("ext4", "data", None));
    let mut all = names(&browser, "/");
    all.retain(|name| name != "lost+found");
    assert_eq!(
        all,
        [
            "absolute",
            "circle",
            "deep",
            "empty",
            "etc",
            "future",
            "large",
            "large-too",
            "long",
            "many",
            "nothing",
            "now",
            "old",
            "out",
            "sparse",
            "to-etc"
        ]
    );
    assert_eq!(names(&browser, "/to-etc/nginx"), ["näme 名前 🦬.conf"]);
    assert_eq!(content(&browser, "/etc/nginx/näme 名前 🦬.conf"), b"server {}\n");
    assert_eq!(content(&browser, "/large"), noise(1, 3_000_001));
    assert_eq!(content(&browser, "/empty"), b"");
    let links = ["/absolute", "/etc/short", "/out", "/to-etc/../to-etc/short"];
    for link in &links[..3] {
        assert_eq!(content(&browser, link), b"127.0.0.1 localhost\n", "{link}");
    }
    let hosts = browser.find(&path("/etc/hosts")).unwrap();
    let real = fs::metadata(made.source().join("etc/hosts")).unwrap();
    assert_eq!((hosts.kind, hosts.size, hosts.mode, hosts.links), (Kind::File, 20, 0o4750, 1));
    assert_eq!((hosts.uid, hosts.gid, hosts.modified), (real.uid(), real.gid(), real.mtime()));
    for (name, seconds) in [("/old", -300_000_000), ("/future", 3_000_000_000), ("/now", 1_795_000_000)] {
        assert_eq!(browser.find(&path(name)).unwrap().modified, seconds, "{name}");
    }
    let long = browser.find_itself(&path("/long")).unwrap();
    assert_eq!(long.target.unwrap(), ("a/".repeat(100) + "nowhere").into_bytes());
    let deep = (0..60).fold("/deep".to_owned(), |path, level| format!("{path}/level-{level}"));
    assert_eq!(content(&browser, &format!("{deep}/bottom")), b"here\n");
}

#[test]
fn what_is_not_there_is_told_apart() {
    let made = planted();
    let browser = open(&made.image());
    let wrong = |file: &str| browser.read(&path(file), 0, 1).err().unwrap();
    assert!(matches!(wrong("/etc/none"), BrowseError::NotFound { .. }));
    assert!(matches!(wrong("/etc/hosts/none"), BrowseError::NotADirectory { .. }));
    assert!(matches!(wrong("/etc"), BrowseError::IsADirectory { .. }));
    assert!(matches!(wrong("/circle"), BrowseError::TooManyLinks { .. }));
    assert!(matches!(wrong("/long"), BrowseError::NotFound { .. }));
    assert!(matches!(browser.list(&path("/empty"), None, 1).err(), Some(BrowseError::NotADirectory { .. })));
}

#[test]
fn a_large_directory_comes_in_parts() {
    let made = planted();
    let browser = open(&made.image());
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let part = browser.list(&path("/many"), after.as_deref(), 700).unwrap();
        all.extend(part.entries.iter().map(|entry| String::from_utf8(entry.name.clone()).unwrap()));
        after = part.entries.last().map(|entry| entry.name.clone());
        if !part.has_more {
            break;
        }
    }
    let expected: Vec<String> = (0..3000).map(|index| format!("file-{index:05}")).collect();
    assert_eq!(all, expected);
    assert_eq!(content(&browser, "/many/file-02999"), b"2999");
}

/// Extracted by GNU tar, the folder is what it was: bytes, modes, times, links, holes.
#[test]
fn a_folder_comes_back_from_its_tar() {
    let made = planted();
    let browser = open(&made.image());
    let tar = made.place.path().join("all.tar");
    let packed = browser.tar(&path("/"), File::create(&tar).unwrap()).unwrap();
    assert_eq!(packed.left_out, 0);
    let size = fs::metadata(&tar).unwrap().len();
    assert!(size < 20 << 20, "holes are in the tar: {size}");
    let out = made.place.path().join("out");
    fs::create_dir(&out).unwrap();
    run(Command::new("tar").arg("-xpf").arg(&tar).arg("-C").arg(&out));
    fs::remove_dir(out.join("lost+found")).unwrap();
    compare(&made.source(), &out);
    let (one, other) = (out.join("large"), out.join("large-too"));
    assert_eq!(fs::metadata(one).unwrap().ino(), fs::metadata(other).unwrap().ino());
    assert!(fs::metadata(out.join("sparse")).unwrap().blocks() * 512 < 10 << 20, "holes were filled");
}

fn compare(source: &Path, out: &Path) {
    let list = |root: &Path| {
        let mut names: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(list(source), list(out), "{}", source.display());
    for name in list(source) {
        let (one, other) = (source.join(&name), out.join(&name));
        let (facts, got) = (fs::symlink_metadata(&one).unwrap(), fs::symlink_metadata(&other).unwrap());
        assert_eq!(facts.mode(), got.mode(), "{}", one.display());
        assert_eq!(facts.uid(), got.uid(), "{}", one.display());
        if facts.is_symlink() {
            assert_eq!(fs::read_link(&one).unwrap(), fs::read_link(&other).unwrap());
        } else if facts.is_dir() {
            compare(&one, &other);
        } else {
            // A tar has no times before 1970.
            assert_eq!(facts.mtime().max(0), got.mtime(), "{}", one.display());
            assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap(), "{} differs", one.display());
        }
    }
}

#[test]
fn a_part_of_a_file_is_read_from_where_it_is() {
    let made = planted();
    let browser = open(&made.image());
    let whole = noise(1, 3_000_001);
    for (from, length) in [(0, 1), (4095, 2), (1_234_567, 100_000), (2_999_999, 10), (3_000_001, 5), (u64::MAX, 5)] {
        let mut bytes = Vec::new();
        let mut reader = browser.read(&path("/large"), from, length).unwrap();
        std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(whole.len());
        let end = from.saturating_add(usize::try_from(length).unwrap()).min(whole.len());
        assert!(bytes == whole[from..end], "{from} {length}");
    }
}

/// Lists of blocks three deep, blocks of 1 KiB, inodes of 128 bytes.
#[test]
fn older_forms_are_read() {
    for (kind, options) in [
        ("ext2", &["-b", "1024", "-I", "128"][..]),
        ("ext3", &["-b", "1024"]),
        ("ext4", &["-b", "1024", "-O", "meta_bg,^resize_inode"]),
    ] {
        let made = make(kind, "40M", options, |root| {
            fs::write(root.join("whole"), noise(3, 900_000)).unwrap();
            let far = File::create(root.join("far")).unwrap();
            far.set_len(80 << 20).unwrap();
            for (index, at) in [0_u64, 13 << 10, 300 << 10, 66 << 20, (80 << 20) - 1024].into_iter().enumerate() {
                far.write_all_at(&noise(index as u64, 1024), at).unwrap();
            }
        });
        let browser = open(&made.image());
        assert_eq!(browser.kind(), kind);
        assert!(content(&browser, "/whole") == noise(3, 900_000), "{kind}");
        assert!(content(&browser, "/far") == fs::read(made.source().join("far")).unwrap(), "{kind}");
        let packed = browser.tar(&path("/far"), std::io::sink()).unwrap();
        assert!(packed.bytes < 1 << 20, "{kind}: holes are not seen: {packed:?}");
    }
}

/// Space that was allocated and never written is not what happens to lie there.
#[test]
fn unwritten_space_reads_as_zeros() {
    let made = make("ext4", "32M", &["-b", "4096"], |root| fs::write(root.join("file"), noise(1, 8192)).unwrap());
    // What lay on the disk before.
    made.debugfs("write /dev/null space\nfallocate space 0 255\nset_inode_field space size 1048576\n");
    let image = File::options().write(true).open(made.image()).unwrap();
    let blocks = made.debugfs("blocks space\n");
    let first: u64 = blocks.split_whitespace().filter_map(|word| word.parse().ok()).next().unwrap();
    image.write_all_at(&noise(9, 4096), first * 4096).unwrap();
    let browser = open(&made.image());
    let space = content(&browser, "/space");
    assert_eq!(space.len(), 1 << 20);
    assert!(space.iter().all(|&byte| byte == 0));
    assert_eq!(content(&browser, "/file"), noise(1, 8192));
}

/// A file's blocks with a journal in which some of them are newer, in every form of the journal.
#[test]
fn the_journal_counts_as_it_does_for_a_mount() {
    for features in ["metadata_csum,64bit", "^metadata_csum,64bit", "^metadata_csum,^64bit"] {
        let made = make("ext4", "32M", &["-b", "4096", "-O", features, "-J", "size=4"], |root| {
            fs::write(root.join("file"), noise(1, 5 * 4096)).unwrap();
        });
        let blocks = made.debugfs("blocks file\n");
        let blocks: Vec<u64> = blocks.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(blocks.len(), 5, "{blocks:?}");
        let block = |seed: u64, head: &[u8]| {
            let name = made.place.path().join(format!("block-{seed}"));
            let mut bytes = noise(seed, 4096);
            bytes[..head.len()].copy_from_slice(head);
            File::create(&name).unwrap().write_all(&bytes).unwrap();
            (name.display().to_string(), bytes)
        };
        let magic = [0xc0, 0x3b, 0x39, 0x98];
        let ((first, _), (second, newest), (third, escaped)) = (block(11, b""), block(12, b""), block(13, &magic));
        let [a, b, c, ..] = blocks[..] else { panic!() };
        // One after the other; `b` is given to somebody else after the first. Where checksums can be, some are used.
        let options = if features.starts_with('^') { "" } else { " -c" };
        made.debugfs(&format!(
            "jo{options}\njw -b {a} {first}\njw -b {b} {first}\njw -r {b}\njw -b {a} {second}\njw -b {c} {third}\njc\n"
        ));
        let mut expected = noise(1, 5 * 4096);
        expected[..4096].copy_from_slice(&newest);
        expected[8192..12288].copy_from_slice(&escaped);
        let read = content(&open(&made.image()), "/file");
        let mounted = content(&open(&made.replayed()), "/file");
        assert!(mounted == expected, "{features}: e2fsck replays something else");
        assert!(read == expected, "{features}: read as it lies on the disk");
    }
}

/// A transaction without its commit is not there.
#[test]
fn an_unfinished_transaction_does_not_count() {
    let made = make("ext4", "32M", &["-b", "4096", "-J", "size=4"], |root| {
        fs::write(root.join("file"), noise(1, 4096)).unwrap()
    });
    let block =
        made.debugfs("blocks file\n").split_whitespace().filter_map(|word| word.parse::<u64>().ok()).next().unwrap();
    let newer = made.place.path().join("newer");
    fs::write(&newer, noise(2, 4096)).unwrap();
    made.debugfs(&format!("jo -c\njw -b {block} {0}\njw -c -b {block} {0}\njc\n", newer.display()));
    let mounted = content(&open(&made.replayed()), "/file");
    assert!(content(&open(&made.image()), "/file") == mounted);
}

#[test]
fn a_damaged_inode_is_told_and_left_out() {
    let made = make("ext4", "32M", &["-b", "4096"], |root| {
        fs::write(root.join("bad"), "x").unwrap();
        fs::write(root.join("good"), "y").unwrap();
    });
    let text = run(Command::new("debugfs").args(["-R", "imap bad"]).arg(made.image()));
    // "Inode 12 is part of block group 0\n\tlocated at block 41, offset 0x0b00"
    let place = text.split("block ").last().unwrap();
    let block: u64 = place.split(',').next().unwrap().trim().parse().unwrap();
    let offset = u64::from_str_radix(place.split("0x").last().unwrap().split_whitespace().next().unwrap(), 16).unwrap();
    let image = File::options().write(true).open(made.image()).unwrap();
    image.write_all_at(b"\xff\xff", block * 4096 + offset + 0x2).unwrap();
    let browser = open(&made.image());
    let listing = browser.list(&path("/"), None, 100).unwrap();
    let bad = listing.entries.iter().find(|entry| entry.name == b"bad").unwrap();
    assert!(bad.node.as_ref().is_err_and(|why| why.contains("checksum")), "{bad:?}");
    assert_eq!(content(&browser, "/good"), b"y");
    let mut tar = Vec::new();
    let packed = browser.tar(&path("/"), &mut tar).unwrap();
    assert_eq!(packed.left_out, 1);
    let mut archive = tar::Archive::new(&tar[..]);
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert!(names.contains(&"good".to_owned()) && !names.contains(&"bad".to_owned()), "{names:?}");
    assert!(names.contains(&super::super::tar::LEFT_OUT.to_owned()), "{names:?}");
}

#[test]
fn who_goes_away_ends_the_reading() {
    let made = planted();
    let cancel = Cancel::default();
    let image = super::Image::File(File::open(made.image()).unwrap());
    let browser = super::Browser::open(Box::new(image), None, &cancel).unwrap();
    struct Leaving(Cancel, u64);
    impl Write for Leaving {
        fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
            self.1 += buffer.len() as u64;
            if self.1 > 100_000 {
                self.0.cancel();
            }
            Ok(buffer.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut out = Leaving(cancel.clone(), 0);
    assert!(matches!(browser.tar(&path("/large"), &mut out), Err(BrowseError::Cancelled)));
    assert!(out.1 < 2_000_000, "{}", out.1);
    assert!(matches!(try_open(&made.source().join("etc/hosts")), Err(BrowseError::NoFileSystem(_))));
}
