//! `aurochs-engine files` on a replica directory and on a backup of it.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aurochs_engine::backup::block::Compression;
use aurochs_engine::backup::offline_source::OfflineSource;
use aurochs_engine::backup::{CreateRequest, Credentials, Mode, Progress, Store, Target, create};
use tempfile::TempDir;

const SIZE: u64 = 32 << 20;

struct Place {
    root: TempDir,
}

impl Place {
    /// A replica whose snapshot `first` has one file system, and whose head has another.
    fn new() -> Self {
        let place = Self { root: tempfile::tempdir_in("/var/tmp").unwrap() };
        fs::create_dir(place.replica()).unwrap();
        place.layer("volume-snap-first.img", "volume-head-000.img", "", &place.image("old"));
        place.layer("volume-head-001.img", "volume-head-001.img", "volume-snap-first.img", &place.image("new"));
        let meta = format!(
            r#"{{"Size":{SIZE},"Head":"volume-head-001.img","Dirty":false,"Rebuilding":false,"Error":"","Parent":"volume-snap-first.img","SectorSize":512,"BackingFilePath":"","Encrypted":false}}"#
        );
        fs::write(place.replica().join("volume.meta"), meta).unwrap();
        place
    }

    fn replica(&self) -> PathBuf {
        self.root.path().join("replica")
    }

    fn image(&self, word: &str) -> Vec<u8> {
        let (source, image) = (self.root.path().join(word), self.root.path().join("image"));
        fs::create_dir_all(source.join("etc")).unwrap();
        fs::write(source.join("etc/word"), word).unwrap();
        fs::write(source.join("large"), word.repeat(700_000)).unwrap();
        let mut command = Command::new("mke2fs");
        run(command.args(["-q", "-F", "-t", "ext4", "-d"]).arg(source).arg(&image).arg("32M"));
        let bytes = fs::read(&image).unwrap();
        fs::remove_file(image).unwrap();
        bytes
    }

    /// Whole blocks of zeros stay holes.
    fn layer(&self, file: &str, name: &str, parent: &str, content: &[u8]) {
        let image = File::create(self.replica().join(file)).unwrap();
        image.set_len(SIZE).unwrap();
        for (index, block) in content.chunks(4096).enumerate() {
            // The head has to cover what the snapshot has, zeros included.
            if !parent.is_empty() || block.iter().any(|&byte| byte != 0) {
                image.write_all_at(block, index as u64 * 4096).unwrap();
            }
        }
        let meta = format!(
            r#"{{"Name":"{name}","Parent":"{parent}","Removed":false,"UserCreated":true,"Created":"2026-11-21T02:06:49Z","Labels":null}}"#
        );
        fs::write(self.replica().join(format!("{file}.meta")), meta).unwrap();
    }

    fn files(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurochs-engine"));
        command.current_dir(self.root.path()).arg("files").args(arguments).output().unwrap()
    }

    fn good(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.files(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    }

    /// Exit code, and the words on standard error.
    fn bad(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.files(arguments);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn files_of_the_head_and_of_a_snapshot() {
    let place = Place::new();
    let replica = text(&place.replica());
    let before: Vec<_> = fs::read_dir(&replica).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(place.good(&["cat", &replica, "/etc/word"]), b"new");
    assert_eq!(place.good(&["cat", &replica, "/etc/word", "--snapshot", "first"]), b"old");
    let list = String::from_utf8(place.good(&["ls", &replica])).unwrap();
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(names, ["etc", "large", "lost+found"], "{list}");
    let json = String::from_utf8(place.good(&["ls", &replica, "/large", "--json", "--snapshot", "first"])).unwrap();
    let shown: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((shown["path"].as_str(), shown["size"].as_u64()), (Some("/large"), Some(2_100_000)));

    place.good(&["get", &replica, "/large", "--snapshot", "first"]);
    assert!(fs::read(place.root.path().join("large")).unwrap() == "old".repeat(700_000).into_bytes());
    let (_, words) = place.bad(&["get", &replica, "/large"]);
    assert!(words.contains("large") && words.contains("exists"), "{words}");

    let tar = place.good(&["tar", &replica, "/etc"]);
    let mut archive = tar::Archive::new(&tar[..]);
    let names: Vec<String> = archive.entries().unwrap().map(|entry| text(&entry.unwrap().path().unwrap())).collect();
    assert_eq!(names, ["etc/", "etc/word"]);
    let after: Vec<_> = fs::read_dir(&replica).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(before, after, "nothing is left in the directory");
}

#[test]
fn what_is_not_there_is_said() {
    let place = Place::new();
    let replica = text(&place.replica());
    let (code, words) = place.bad(&["cat", &replica, "/none"]);
    assert!(code == Some(1) && words.contains("there is no /none"), "{code:?} {words}");
    let (_, words) = place.bad(&["cat", &replica, "/etc"]);
    assert!(words.contains("directory"), "{words}");
    let (_, words) = place.bad(&["ls", &replica, "/", "--snapshot", "none"]);
    assert!(words.contains("no snapshot"), "{words}");
    let (code, words) = place.bad(&["ls", &text(place.root.path())]);
    assert!(code == Some(2) && words.contains("no replica"), "{code:?} {words}");
    let (_, words) = place.bad(&["ls", "vfs:///nowhere"]);
    assert!(words.contains("?backup="), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_backup_in_every_compression() {
    let place = Place::new();
    let target = place.root.path().join("target");
    fs::create_dir(&target).unwrap();
    let url = format!("vfs://{}", target.display());
    let store = Store::open(&Target { url: url.parse().unwrap(), credentials: Credentials::default() }).await.unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Lz4] {
        let name = format!("backup-{}", compression.as_str());
        let volume = format!("volume-{}", compression.as_str());
        let source = OfflineSource::open(&place.replica(), "first").unwrap();
        let request = CreateRequest {
            volume: volume.clone(),
            backup: name.clone(),
            snapshot: "first".to_owned(),
            size: SIZE,
            labels: [].into(),
            compression,
            block_size: 2 << 20,
            mode: Mode::default(),
            backing_image_name: String::new(),
            backing_image_checksum: String::new(),
            storage_class: String::new(),
            concurrency: 0,
        };
        create(&store, &request, &source, &Progress::default()).await.unwrap();
        let backup = format!("{url}?backup={name}&volume={volume}");
        assert_eq!(place.good(&["cat", &backup, "/etc/word"]), b"old");
        assert!(place.good(&["cat", &backup, "/large"]) == "old".repeat(700_000).into_bytes());
        let (_, words) = place.bad(&["cat", &format!("{url}?backup=none&volume={volume}"), "/etc/word"]);
        assert!(words.contains("none"), "{words}");
    }
    // A block that is gone is told, where it is needed.
    let blocks = target.join("backupstore");
    run(Command::new("find").arg(&blocks).args(["-name", "*.blk", "-delete"]));
    let (_, words) = place.bad(&["cat", &format!("{url}?backup=backup-lz4&volume=volume-lz4"), "/large"]);
    assert!(words.contains("block"), "{words}");
}
