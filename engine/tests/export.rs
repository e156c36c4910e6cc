//! Exports: the images are right in the eyes of QEMU's tools, and nothing half done is left under the final name.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use aurochs_engine::crash_point;
use aurochs_engine::image_format::{ExportError, ExportOptions, Exported, Format, ImageSource, SourceError, export};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// Content in memory: ranges of data, zeros between them.
struct Sparse {
    size: u64,
    /// Start → bytes.
    data: BTreeMap<u64, Vec<u8>>,
    /// Reads that reach this place fail.
    broken_at: u64,
}

impl Sparse {
    fn new(size: u64) -> Self {
        Self { size, data: BTreeMap::new(), broken_at: u64::MAX }
    }

    /// Puts `length` bytes at `offset` that differ from those around and from those of other calls.
    fn with(mut self, offset: u64, length: u64) -> Self {
        assert!(offset + length <= self.size);
        let bytes = (0..length).map(|index| ((offset / 4096 + index / 512) % 250 + 1) as u8).collect();
        self.data.insert(offset, bytes);
        self
    }

    /// Data that is all zeros, as a preallocated file has.
    fn with_zeros(mut self, offset: u64, length: usize) -> Self {
        self.data.insert(offset, vec![0; length]);
        self
    }

    fn content(&mut self) -> Vec<u8> {
        let mut content = vec![0; self.size as usize];
        self.read(0, &mut content).unwrap();
        content
    }
}

impl ImageSource for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn next_data(&mut self, from: u64) -> Result<Option<(u64, u64)>, SourceError> {
        let ends_after = |(start, bytes): &(&u64, &Vec<u8>)| **start + bytes.len() as u64 > from;
        let found = self.data.iter().find(ends_after);
        Ok(found.map(|(start, bytes)| {
            let offset = (*start).max(from);
            (offset, start + bytes.len() as u64 - offset)
        }))
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let end = offset + buffer.len() as u64;
        if end > self.broken_at {
            return Err("the disk is on fire".into());
        }
        buffer.fill(0);
        for (start, bytes) in &self.data {
            let (first, last) = (offset.max(*start), end.min(start + bytes.len() as u64));
            if first < last {
                let part = &bytes[(first - start) as usize..(last - start) as usize];
                buffer[(first - offset) as usize..(last - offset) as usize].copy_from_slice(part);
            }
        }
        Ok(())
    }
}

struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { root: tempfile::tempdir_in("/var/tmp").unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn listing(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn options(format: Format) -> ExportOptions<'static> {
    ExportOptions { format, overwrite: false, checksum: true, cancel: None }
}

fn export_to(source: &mut Sparse, output: &Path, options: &ExportOptions<'_>) -> Result<Exported, ExportError> {
    export(source, output, options, &mut |_, _| {})
}

fn qemu_img(arguments: &[&str], paths: &[&Path]) -> String {
    let output = Command::new("qemu-img").args(arguments).args(paths).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "qemu-img {arguments:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

fn sha256(content: &[u8]) -> Option<String> {
    Some(Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Data of all alignments, in a volume that ends inside a cluster.
fn mixed() -> Sparse {
    Sparse::new(600 * MIB + 5 * 4096)
        .with(0, 4096)
        .with(70 * 1024, 3 * 4096)
        .with(5 * MIB, 9 * MIB)
        .with_zeros(40 * MIB, 2 << 20)
        .with(512 * MIB - 8192, 16384)
        .with(600 * MIB + 4096, 4 * 4096)
}

#[test]
fn both_formats_hold_the_content() {
    let place = Place::new();
    let (raw, qcow2) = (place.path("a.raw"), place.path("a.qcow2"));
    let mut source = mixed();
    let content = source.content();
    let data: u64 = 9 * MIB + 12 * 4096;
    for (format, path) in [(Format::Raw, &raw), (Format::Qcow2, &qcow2)] {
        let exported = export_to(&mut source, path, &options(format)).unwrap();
        assert_eq!((exported.size, &exported.sha256), (source.size, &sha256(&content)), "{format}");
        let allocated = std::fs::metadata(path).unwrap().blocks() * 512;
        assert!((data..data + 2 * MIB).contains(&allocated), "{format} takes {allocated} bytes");
    }
    assert!(std::fs::read(&raw).unwrap() == content);
    let checked = qemu_img(&["check"], &[&qcow2]);
    assert!(checked.contains("No errors were found"), "{checked}");
    qemu_img(&["compare", "-f", "raw", "-F", "qcow2"], &[&raw, &qcow2]);
    let info = qemu_img(&["info"], &[&qcow2]);
    assert!(info.contains("cluster_size: 65536") && info.contains("compat: 1.1"), "{info}");
    assert!(info.contains(&format!("({} bytes)", source.size)), "{info}");
    assert_eq!(place.listing(), ["a.qcow2", "a.raw"]);
}

#[test]
fn small_and_empty_volumes() {
    for mut source in [Sparse::new(4096), Sparse::new(4096).with(0, 4096), Sparse::new(65536).with(65535, 1)] {
        let place = Place::new();
        let (raw, qcow2) = (place.path("a.raw"), place.path("a.qcow2"));
        export_to(&mut source, &raw, &options(Format::Raw)).unwrap();
        export_to(&mut source, &qcow2, &options(Format::Qcow2)).unwrap();
        assert!(std::fs::read(&raw).unwrap() == source.content());
        qemu_img(&["check", "-q"], &[&qcow2]);
        qemu_img(&["compare", "-f", "raw", "-F", "qcow2"], &[&raw, &qcow2]);
    }
}

#[test]
fn sixteen_tebibytes_with_data_at_both_ends() {
    let size = 16 << 40;
    let (middle, last) = (9 << 40, size - 3 * 4096);
    let mut source = Sparse::new(size).with(0, MIB).with(middle, 8192).with(last, 3 * 4096);
    let place = Place::new();
    let qcow2 = place.path("a.qcow2");
    let options = ExportOptions { checksum: false, ..options(Format::Qcow2) };
    let exported = export_to(&mut source, &qcow2, &options).unwrap();
    assert_eq!(exported.sha256, None);
    assert!(exported.bytes_written < 4 * MIB, "{}", exported.bytes_written);
    qemu_img(&["check", "-q"], &[&qcow2]);
    // Every byte of data, and zeros around, as QEMU sees them.
    for (start, length) in [(0, 2 * MIB), (middle - 65536, 3 * 65536), (last - 65536, 65536 + 3 * 4096)] {
        let part = place.path("part");
        let mut copy = Command::new("qemu-img");
        copy.args(["dd", "-f", "qcow2", "-O", "raw", "bs=4096"])
            .arg(format!("skip={}", start / 4096))
            .arg(format!("count={}", (start + length) / 4096))
            .arg(format!("if={}", qcow2.display()))
            .arg(format!("of={}", part.display()));
        assert!(copy.status().unwrap().success());
        let mut expected = vec![0; length as usize];
        source.read(start, &mut expected).unwrap();
        assert!(std::fs::read(&part).unwrap() == expected, "at {start}");
    }
}

#[test]
fn a_large_raw_image_is_sparse() {
    let size = 8 << 40;
    let mut source = Sparse::new(size).with(0, MIB).with(size - 4096, 4096);
    let place = Place::new();
    let path = place.path("a.raw");
    let exported = export_to(&mut source, &path, &ExportOptions { checksum: false, ..options(Format::Raw) }).unwrap();
    assert_eq!(exported.bytes_written, MIB + 4096);
    let facts = std::fs::metadata(&path).unwrap();
    assert_eq!(facts.size(), size);
    assert!(facts.blocks() * 512 < 2 * MIB);
}

#[test]
fn progress_grows_to_what_was_planned() {
    for checksum in [true, false] {
        let place = Place::new();
        let mut source = mixed();
        let options = ExportOptions { checksum, ..options(Format::Qcow2) };
        let mut seen = Vec::new();
        export(&mut source, &place.path("a"), &options, &mut |done, planned| seen.push((done, planned))).unwrap();
        let planned = seen[0].1;
        assert!(seen.is_sorted() && seen.iter().all(|(_, other)| *other == planned));
        assert_eq!(seen.last().unwrap().0, planned);
        assert_eq!(planned == source.size, checksum, "{planned}");
    }
}

#[test]
fn a_file_is_replaced_only_when_asked_to() {
    let place = Place::new();
    let path = place.path("a");
    std::fs::write(&path, "precious").unwrap();
    let mut source = Sparse::new(65536).with(0, 4096);
    let refused = export_to(&mut source, &path, &options(Format::Raw)).unwrap_err();
    assert!(matches!(refused, ExportError::Exists { .. }) && refused.to_string().contains("--force"), "{refused}");
    assert_eq!((std::fs::read(&path).unwrap(), place.listing()), (b"precious".to_vec(), vec!["a".to_owned()]));

    let forced = ExportOptions { overwrite: true, ..options(Format::Raw) };
    export_to(&mut source, &path, &forced).unwrap();
    assert!(std::fs::read(&path).unwrap() == source.content());
    assert_eq!(place.listing(), ["a"]);
    let device = export_to(&mut source, Path::new("/dev/null"), &forced).unwrap_err();
    assert!(matches!(device, ExportError::NotAFile { .. }));
}

#[test]
fn a_file_that_came_meanwhile_is_kept() {
    let place = Place::new();
    let path = place.path("a");
    let mut source = Sparse::new(MIB).with(0, MIB);
    let outcome =
        export(&mut source, &path, &options(Format::Raw), &mut |_, _| std::fs::write(&path, "precious").unwrap());
    assert!(matches!(outcome, Err(ExportError::Exists { .. })));
    assert_eq!((std::fs::read(&path).unwrap(), place.listing()), (b"precious".to_vec(), vec!["a".to_owned()]));
}

#[test]
fn two_exports_to_one_name_do_not_mix() {
    let place = Place::new();
    let path = place.path("a");
    let mut source = Sparse::new(MIB).with(0, MIB);
    let mut second = None;
    let first = export(&mut source, &path, &options(Format::Raw), &mut |_, _| {
        second = Some(export_to(&mut Sparse::new(4096), &path, &options(Format::Raw)));
    });
    first.unwrap();
    assert!(matches!(second, Some(Err(ExportError::InUse { .. }))), "{second:?}");
    assert!(std::fs::read(&path).unwrap() == source.content());
}

#[test]
fn nothing_is_left_of_an_export_that_was_cancelled_or_failed() {
    for format in [Format::Raw, Format::Qcow2] {
        let place = Place::new();
        let path = place.path("a");
        let cancel = AtomicBool::new(false);
        let options = ExportOptions { cancel: Some(&cancel), ..options(format) };
        let mut calls = 0;
        let outcome = export(&mut Sparse::new(64 * MIB).with(0, 64 * MIB), &path, &options, &mut |_, _| {
            calls += 1;
            cancel.store(calls == 3, Ordering::Relaxed);
        });
        assert!(matches!(outcome, Err(ExportError::Cancelled)), "{outcome:?}");
        assert_eq!((calls, place.listing()), (3, vec![]));

        cancel.store(false, Ordering::Relaxed);
        let mut source = Sparse { broken_at: 30 * MIB, ..Sparse::new(64 * MIB).with(0, 64 * MIB) };
        let failed = export_to(&mut source, &path, &options).unwrap_err().to_string();
        assert!(failed.contains("the disk is on fire"), "{failed}");
        assert_eq!(place.listing(), [""; 0]);
    }
}

#[test]
fn what_a_crash_left_is_taken_over() {
    let place = Place::new();
    std::fs::write(place.path("a.part"), vec![0xff; 3 << 20]).unwrap();
    let mut source = mixed();
    export_to(&mut source, &place.path("a"), &options(Format::Raw)).unwrap();
    assert!(std::fs::read(place.path("a")).unwrap() == source.content());
    assert_eq!(place.listing(), ["a"]);
}

const CRASH_TARGET: &str = "AUROCHS_TEST_EXPORT_TO";

fn export_before_or_after_a_crash(path: &Path) -> Vec<u8> {
    let mut source = Sparse::new(9 * MIB + 4096).with(5 * MIB, MIB).with(9 * MIB, 4096);
    export_to(&mut source, path, &ExportOptions { overwrite: true, ..options(Format::Raw) }).unwrap();
    source.content()
}

/// Does nothing by itself: it is the process that the next test kills.
#[test]
fn export_in_a_child() {
    if let Some(path) = std::env::var_os(CRASH_TARGET) {
        export_before_or_after_a_crash(Path::new(&path));
    }
}

#[test]
fn a_crash_leaves_nothing_half_done() {
    let points = crash_point::ALL.iter().filter(|point| point.starts_with("export."));
    for (index, point) in points.enumerate() {
        let place = Place::new();
        let path = place.path("a");
        std::fs::write(&path, "precious").unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "export_in_a_child"]);
        let output = child.env(CRASH_TARGET, &path).env(crash_point::CRASH_AT, point).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{point}: {}", String::from_utf8_lossy(&output.stdout));
        let found = std::fs::read(&path).unwrap();
        let content = export_before_or_after_a_crash(&path);
        // Only the last one lies behind the rename.
        assert!(found == if index == 2 { &content[..] } else { b"precious" }, "{point}");
        assert!(std::fs::read(&path).unwrap() == content, "{point}");
        assert_eq!(place.listing(), ["a"], "{point}");
    }
}

#[test]
fn a_full_disk_is_said_to_be_full_and_is_empty_again() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("not checked: mounting a small disk needs root");
        return;
    }
    let place = Place::new();
    let disk = SmallDisk::mount(place.path("disk"));
    let path = disk.0.join("a.qcow2");
    let mut source = Sparse::new(64 * MIB).with(0, 64 * MIB);
    let full = export_to(&mut source, &path, &options(Format::Qcow2)).unwrap_err();
    assert!(matches!(full, ExportError::NoSpace { .. }), "{full:?}");
    assert!(full.to_string().contains("a.qcow2.part: no space left"), "{full}");
    assert_eq!(std::fs::read_dir(&disk.0).unwrap().count(), 0);
}

/// Memory with a limit of 8 MiB.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Self {
        std::fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&at).status();
        assert!(mounted.unwrap().success());
        Self(at)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg(&self.0).status().unwrap().success());
    }
}
