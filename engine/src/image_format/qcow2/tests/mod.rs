//! The reader against QEMU's tools, and against files that nobody should trust.

mod damage;
mod qemu;
mod refusals;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::Qcow2Image;
use crate::image_format::ImageError;

/// Images that go away with the test.
struct Images {
    root: TempDir,
}

impl Images {
    fn new() -> Self {
        Self { root: tempfile::tempdir_in("/var/tmp").unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// `qemu-img create` with `options` after `-o`.
    fn create(&self, options: &str, size: u64) -> PathBuf {
        let path = self.path("image.qcow2");
        let size = size.to_string();
        run(Command::new("qemu-img").args(["create", "-q", "-f", "qcow2", "-o", options]).arg(&path).arg(size));
        path
    }

    /// Content as QEMU reads it.
    fn raw_content(&self, image: &Path) -> Vec<u8> {
        let raw = self.path("content.raw");
        run(Command::new("qemu-img").args(["convert", "-O", "raw"]).arg(image).arg(&raw));
        std::fs::read(raw).unwrap()
    }

    /// A raw image of `length` bytes that compress neither to nothing nor not at all, with holes in it.
    fn raw(&self, length: usize) -> PathBuf {
        let mut state = 7_u64;
        let mut content = vec![0; length];
        for (index, line) in content.chunks_mut(64).enumerate() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(index as u64);
            if (index / 512) % 3 != 1 {
                line.fill((state >> 56) as u8);
                line[0] = (state >> 40) as u8;
            }
        }
        let path = self.path("source.raw");
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `qemu-img convert -c` of a raw image.
    fn compressed(&self, raw: &Path, options: &str) -> PathBuf {
        let path = self.path("compressed.qcow2");
        run(Command::new("qemu-img").args(["convert", "-c", "-O", "qcow2", "-o", options]).arg(raw).arg(&path));
        path
    }
}

/// `qemu-io` commands, one a line.
fn qemu_io(image: &Path, commands: &[&str]) {
    let mut program = Command::new("qemu-io");
    program.args(["-f", "qcow2"]);
    for command in commands {
        program.args(["-c", command]);
    }
    run(program.arg(image));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("failed"), "{command:?}: {said}");
}

fn open(path: &Path) -> Result<Qcow2Image, ImageError> {
    Qcow2Image::open(File::open(path).unwrap(), path)
}

/// All of an image, read in pieces of `piece` bytes.
fn content(image: &Qcow2Image, piece: usize) -> Vec<u8> {
    let mut content = vec![0xee; image.size() as usize];
    for (index, place) in content.chunks_mut(piece).enumerate() {
        image.read((index * piece) as u64, place).unwrap();
    }
    content
}
