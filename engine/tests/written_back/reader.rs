//! A reader of replica directories that shares nothing with the engine: file names, parents and allocated blocks.
//!
//! Each 4096-byte block belongs to the topmost layer whose file has it allocated, zeros and unwritten extents included.
//! `filefrag` (e2fsprogs) says what is allocated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub(crate) const BLOCK: usize = 4096;

/// What one `<image>.img.meta` says.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) parent: String,
    pub(crate) removed: bool,
    pub(crate) user_created: bool,
    pub(crate) created: String,
    pub(crate) labels: BTreeMap<String, String>,
}

pub(crate) struct Reader {
    dir: PathBuf,
    pub(crate) size: usize,
    pub(crate) head: String,
    /// By the file name of the image.
    pub(crate) layers: BTreeMap<String, Layer>,
}

impl Reader {
    pub(crate) fn open(dir: &Path) -> Self {
        let volume = json(&dir.join("volume.meta"));
        let mut layers = BTreeMap::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            if let Some(image) = file.strip_suffix(".meta").filter(|image| image.ends_with(".img")) {
                layers.insert(image.to_owned(), Layer::read(&json(&dir.join(&file))));
            }
        }
        let head = volume["Head"].as_str().unwrap().to_owned();
        Self { dir: dir.to_owned(), size: volume["Size"].as_u64().unwrap() as usize, head, layers }
    }

    /// What a reader of the volume sees.
    pub(crate) fn head(&self) -> Vec<u8> {
        self.content(&self.head)
    }

    /// Content of every snapshot that is not marked as removed, by its name.
    pub(crate) fn live_snapshots(&self) -> BTreeMap<String, Vec<u8>> {
        let live = self.layers.iter().filter(|(image, layer)| **image != self.head && !layer.removed);
        live.map(|(image, _)| (snapshot_name(image).to_owned(), self.content(image))).collect()
    }

    fn content(&self, image: &str) -> Vec<u8> {
        let layer = &self.layers[image];
        let mut content = if layer.parent.is_empty() { vec![0; self.size] } else { self.content(&layer.parent) };
        let path = self.dir.join(image);
        let file = std::fs::read(&path).unwrap();
        for (offset, length) in extents(&path) {
            let end = (offset + length).min(file.len());
            content[offset..end].copy_from_slice(&file[offset..end]);
        }
        content
    }
}

impl Layer {
    fn read(meta: &Value) -> Self {
        let text = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
        let labels = meta["Labels"].as_object().into_iter().flatten();
        Self {
            parent: text("Parent"),
            removed: meta["Removed"].as_bool().unwrap_or(false),
            user_created: meta["UserCreated"].as_bool().unwrap_or(false),
            created: text("Created"),
            labels: labels.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect(),
        }
    }
}

pub(crate) fn snapshot_name(image: &str) -> &str {
    image.strip_prefix("volume-snap-").and_then(|rest| rest.strip_suffix(".img")).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Allocated ranges `(offset, length)` in bytes; ranges that touch are one.
pub(crate) fn extents(image: &Path) -> Vec<(usize, usize)> {
    let output = Command::new("filefrag").args(["-v", "-s", "-b4096"]).arg(image).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let mut found: Vec<(usize, usize)> = Vec::new();
    // "   0:        4..       7:      34816..     34819:      4:             last,unwritten,eof"
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').map(str::trim).collect();
        let [number, logical, ..] = fields[..] else { continue };
        let (Ok(_), Some((first, last))) = (number.parse::<usize>(), logical.split_once("..")) else { continue };
        let (first, last): (usize, usize) = (first.trim().parse().unwrap(), last.trim().parse().unwrap());
        let (offset, length) = (first * BLOCK, (last + 1 - first) * BLOCK);
        match found.last_mut() {
            Some((start, before)) if *start + *before == offset => *before += length,
            _ => found.push((offset, length)),
        }
    }
    found
}
