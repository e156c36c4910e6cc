//! Images that are whole but not for us.

use std::path::Path;
use std::process::Command;

use super::{Images, content, open, run};
use crate::image_format::ImageError;

const MIB: u64 = 1 << 20;

fn refused(path: &Path) -> String {
    match open(path) {
        Err(error @ ImageError::Unsupported { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_image_over_another_file_is_not_followed() {
    let images = Images::new();
    let secret = images.raw(4096);
    let path = images.path("overlay.qcow2");
    let mut create = Command::new("qemu-img");
    create.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(&secret).arg(&path);
    run(&mut create);
    let message = refused(&path);
    assert!(message.contains("backing file") && message.contains("qemu-img convert"), "{message}");
}

#[test]
fn data_in_another_file_is_not_followed() {
    let images = Images::new();
    let data = images.path("data.raw");
    let path = images.create(&format!("data_file={}", data.display()), MIB);
    assert!(refused(&path).contains("another file"));
}

#[test]
fn encrypted_images_are_refused() {
    let images = Images::new();
    let path = images.create("cluster_size=64k", MIB);
    let mut changed = std::fs::read(&path).unwrap();
    // The last byte of `crypt_method`: 2 is LUKS.
    changed[35] = 2;
    std::fs::write(&path, &changed).unwrap();
    assert!(refused(&path).contains("encrypted"));
}

#[test]
fn unknown_features_and_versions_are_refused() {
    let images = Images::new();
    let path = images.create("cluster_size=64k", MIB);
    let good = std::fs::read(&path).unwrap();
    for (at, value) in [(7, 4), (72, 0x80), (78, 1)] {
        let mut changed = good.clone();
        changed[at] = value;
        std::fs::write(&path, &changed).unwrap();
        refused(&path);
    }
}

#[test]
fn a_mark_of_corruption_is_heeded_and_one_of_open_refcounts_is_not() {
    let images = Images::new();
    let path = images.create("cluster_size=64k", MIB);
    let good = std::fs::read(&path).unwrap();
    let marked = |bit: u8| {
        let mut changed = good.clone();
        changed[79] = bit;
        std::fs::write(&path, &changed).unwrap();
        open(&path)
    };
    let dirty = marked(1).unwrap();
    assert!(content(&dirty, 4096).iter().all(|&byte| byte == 0));
    let corrupt = marked(2).unwrap_err();
    assert!(matches!(corrupt, ImageError::Damaged { .. }) && corrupt.to_string().contains("qemu-img check"));
}
