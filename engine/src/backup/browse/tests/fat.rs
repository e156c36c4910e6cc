//! FAT, made and filled by another implementation of it.

use std::io::{Cursor, Write};

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions, format_volume};

use super::super::BrowseError;
use super::super::entry::Kind;
use super::{content, names, noise, open_bytes, path};

pub(super) fn make(kind: FatType, size: usize) -> Vec<u8> {
    let mut image = Cursor::new(vec![0; size]);
    let options = FormatVolumeOptions::new().fat_type(kind).bytes_per_cluster(512).volume_label(*b"BOOT       ");
    format_volume(&mut image, options).unwrap();
    image.set_position(0);
    let filesystem = FileSystem::new(&mut image, FsOptions::new()).unwrap();
    let root = filesystem.root_dir();
    root.create_file("README.TXT").unwrap().write_all(b"hello\n").unwrap();
    root.create_dir("EFI").unwrap().create_dir("Boot Loader").unwrap();
    let long = root.open_dir("EFI/Boot Loader").unwrap();
    long.create_file("Ein sehr langer Name mit Ümläuten und 名前.cfg").unwrap().write_all(b"long\n").unwrap();
    // Two files that grow in turns, so that their clusters do.
    let (mut one, mut other) = (root.create_file("one").unwrap(), root.create_file("other").unwrap());
    for (piece, another) in noise(1, 60_000).chunks(700).zip(noise(2, 60_000).chunks(700)) {
        one.write_all(piece).unwrap();
        other.write_all(another).unwrap();
    }
    let many = root.create_dir("many").unwrap();
    for index in 0..200 {
        many.create_file(&format!("a rather long name {index:03}")).unwrap();
    }
    root.create_file("gone").unwrap().write_all(b"gone").unwrap();
    root.remove("gone").unwrap();
    drop((one, other, many, long, root));
    filesystem.unmount().unwrap();
    image.into_inner()
}

#[test]
fn all_widths_are_read() {
    let kinds =
        [(FatType::Fat12, "FAT12", 1 << 20), (FatType::Fat16, "FAT16", 8 << 20), (FatType::Fat32, "FAT32", 40 << 20)];
    for (kind, word, size) in kinds {
        let browser = open_bytes(make(kind, size)).unwrap();
        assert_eq!((browser.kind(), browser.label().as_str()), (word, "BOOT"));
        assert_eq!(names(&browser, "/"), ["EFI", "README.TXT", "many", "one", "other"], "{word}");
        assert_eq!(content(&browser, "/readme.txt"), b"hello\n", "letters' size is all one");
        assert_eq!(content(&browser, "/EFI/Boot Loader/Ein sehr langer Name mit Ümläuten und 名前.cfg"), b"long\n");
        assert!(content(&browser, "/one") == noise(1, 60_000) && content(&browser, "/other") == noise(2, 60_000));
        assert_eq!(names(&browser, "/many").len(), 200);
        let one = browser.find(&path("/one")).unwrap();
        assert_eq!((one.kind, one.size), (Kind::File, 60_000));
        let mut tar = Vec::new();
        assert_eq!(browser.tar(&path("/"), &mut tar).unwrap().left_out, 0);
        let mut archive = tar::Archive::new(&tar[..]);
        assert_eq!(archive.entries().unwrap().count(), 4 + 3 + 200, "{word}");
        assert!(matches!(browser.read(&path("/gone"), 0, 1).err(), Some(BrowseError::NotFound { .. })));
    }
}
