//! Real file systems, made by the tools that everybody makes them with.

mod ext;
mod fat;
mod hostile;
mod partitions;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use super::{Browser, Cancel, ImagePath, ReadAt};

/// An image in memory or in a file.
enum Image {
    Bytes(Vec<u8>),
    File(File),
}

impl ReadAt for Image {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.metadata().unwrap().len(),
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => {
                let from = usize::try_from(offset).unwrap();
                buffer.copy_from_slice(&bytes[from..from + buffer.len()]);
                Ok(())
            }
            Self::File(file) => file.read_exact_at(buffer, offset),
        }
    }
}

fn open(image: &Path) -> Browser {
    try_open(image).unwrap()
}

fn try_open(image: &Path) -> Result<Browser, super::BrowseError> {
    Browser::open(Box::new(Image::File(File::open(image).unwrap())), None, &Cancel::default())
}

fn open_bytes(bytes: Vec<u8>) -> Result<Browser, super::BrowseError> {
    Browser::open(Box::new(Image::Bytes(bytes)), None, &Cancel::default())
}

fn path(text: &str) -> ImagePath {
    ImagePath::parse(text.as_bytes()).unwrap()
}

fn content(browser: &Browser, file: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    browser.read(&path(file), 0, u64::MAX).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn names(browser: &Browser, directory: &str) -> Vec<String> {
    let listing = browser.list(&path(directory), None, usize::MAX - 1).unwrap();
    listing.entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect()
}

/// Runs a tool that has to succeed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

/// Bytes that differ everywhere, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32).to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
