//! What a reader of the directory must find: a model beside the files, and the comparison of the two.
//!
//! Compared are the layers a user can see and the head. A snapshot that was removed is no snapshot any more: whether
//! its layer is still there (marked) or gone is left to the operation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aurochs_engine::replica::Replica;
use aurochs_engine::replica::hash::HashControl;
use serde::{Deserialize, Serialize};

use crate::Scenario;
use crate::child::Place;
use crate::steps::{BLOCK, CREATED, Runner, Step, image_of, labels, left_by_expansion};

#[derive(Clone, Debug, Default)]
struct Layer {
    parent: Option<String>,
    /// Blocks that this layer holds, with the byte that fills each.
    held: BTreeMap<usize, u8>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    exists: bool,
    open: bool,
    rebuilding: bool,
    epoch: u64,
    blocks: usize,
    head: Layer,
    snapshots: BTreeMap<String, Layer>,
    removed: BTreeSet<String>,
    /// What is being filled in: nobody sees it, and a crash loses it.
    filling: Option<(String, Layer)>,
    /// Snapshots that were filled in; they say nothing of themselves.
    filled: BTreeSet<String>,
}

/// What a reader sees.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) dirty: bool,
    epoch: u64,
    /// `None` while rebuilding: nothing may be read.
    pub(crate) content: Option<Content>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) head: Vec<u8>,
    pub(crate) snapshots: BTreeMap<String, Vec<u8>>,
}

impl Model {
    /// The model after so many steps.
    pub(crate) fn after(steps: &[Step]) -> Self {
        let mut model = Self::default();
        steps.iter().for_each(|step| model.apply(step));
        model
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Create { blocks } => *self = Self { exists: true, blocks, ..Self::default() },
            Step::Open => self.open = true,
            Step::Close => self.open = false,
            Step::Delete => *self = Self::default(),
            Step::Raise { epoch } => self.epoch = epoch,
            Step::Write { block, count, byte } => self.head.put(block, count, byte),
            Step::Zero { block, count } => self.head.put(block, count, 0),
            Step::Discard { block, count } => self.head.held.retain(|at, _| !(block..block + count).contains(at)),
            Step::Flush
            | Step::ClearRegions
            | Step::Miss(_)
            | Step::Hash(_)
            | Step::PowerCut { .. }
            | Step::Prepare(_) => {}
            Step::Snapshot(name) => {
                let head = Layer { parent: Some(name.to_owned()), ..Layer::default() };
                self.snapshots.insert(name.to_owned(), std::mem::replace(&mut self.head, head));
                self.removed.remove(name);
            }
            Step::Revert(name) => self.head = Layer { parent: Some(name.to_owned()), ..Layer::default() },
            Step::Remove(name) | Step::Mark(name) => drop(self.removed.insert(name.to_owned())),
            Step::Purge | Step::Shorten { .. } => {}
            Step::RebuildBegin { snapshots } => {
                self.rebuilding = true;
                self.removed.clear();
                self.snapshots.clear();
                self.head = Layer::default();
                snapshots.iter().for_each(|name| self.apply(&Step::Snapshot(name)));
            }
            Step::LayerWrite { snapshot, block, count, byte } => {
                self.snapshots.entry(snapshot.to_owned()).or_default().put(block, count, byte);
            }
            Step::RebuildFinish => self.rebuilding = false,
            Step::Expand { blocks } => {
                let name = left_by_expansion(blocks);
                let head = Layer { parent: Some(name.clone()), ..Layer::default() };
                self.snapshots.insert(name, std::mem::replace(&mut self.head, head));
                self.blocks = blocks;
            }
            Step::FillBegin(name) => self.filling = Some((name.to_owned(), Layer::default())),
            Step::FillWrite { block, count, byte } => self.filling.as_mut().unwrap().1.put(block, count, byte),
            Step::FillFinish => {
                let (name, layer) = self.filling.take().unwrap();
                self.head = Layer { parent: Some(name.clone()), ..Layer::default() };
                self.filled.insert(name.clone());
                self.snapshots.insert(name, layer);
            }
        }
    }

    fn content_of(&self, layer: &Layer) -> Vec<u8> {
        let mut content = match &layer.parent {
            Some(parent) => self.content_of(&self.snapshots[parent]),
            None => vec![0; self.blocks],
        };
        layer.held.iter().for_each(|(block, byte)| content[*block] = *byte);
        content
    }

    /// What a reader sees of the layers.
    pub(crate) fn content(&self) -> Content {
        let live = self.snapshots.iter().filter(|(name, _)| !self.removed.contains(*name));
        Content {
            head: self.content_of(&self.head),
            snapshots: live.map(|(name, layer)| (name.clone(), self.content_of(layer))).collect(),
        }
    }

    fn view(&self) -> View {
        View { dirty: self.open, epoch: self.epoch, content: (!self.rebuilding).then(|| self.content()) }
    }
}

impl Layer {
    fn put(&mut self, block: usize, count: usize, byte: u8) {
        self.held.extend((block..block + count).map(|block| (block, byte)));
    }
}

/// The directory after its process was killed: as acknowledged, tidy after an open, and fit to go on.
pub(crate) fn check_after_crash(scenario: &Scenario, place: &Place) {
    let (done, begun) = place.progress();
    assert!(done < scenario.steps.len() || !begun, "{}", place.what);
    let next = (done + usize::from(begun)).min(scenario.steps.len());
    let (before, after) = (Model::after(&scenario.steps[..done]), Model::after(&scenario.steps[..next]));
    let mut runner = Runner::new(place.replica(), scenario.revision_counter);
    let resume = match find(&mut runner, &before, &after, place) {
        Found::After => next,
        Found::Before => done,
        // The copy is repeated from its start.
        Found::Rebuilding => {
            let is_begin = |step: &Step| matches!(step, Step::RebuildBegin { .. });
            scenario.steps[..next].iter().rposition(is_begin).unwrap()
        }
    };
    let resumed = Model::after(&scenario.steps[..resume]);
    if resumed.open {
        runner.open();
    }
    let is_fill = |step: &Step| matches!(step, Step::FillBegin(_));
    let resume = match resumed.filling {
        // So is a fill.
        Some(_) => scenario.steps[..resume].iter().rposition(is_fill).unwrap(),
        None => resume,
    };
    for step in &scenario.steps[resume..] {
        runner.perform(step);
    }
    runner.close();
    check_at_end(scenario, place);
}

enum Found {
    Before,
    After,
    Rebuilding,
}

/// Opens the directory, compares, closes it and looks at its files.
fn find(runner: &mut Runner, before: &Model, after: &Model, place: &Place) -> Found {
    if !after.exists {
        // Being deleted, or deleted: what is left counts as a replica until it is gone.
        return if runner.dir.exists() { Found::Before } else { Found::After };
    }
    if !before.exists && !Replica::exists(&runner.dir) {
        return Found::Before;
    }
    let seen = look(runner.open());
    let known: BTreeSet<&String> = before.snapshots.keys().chain(after.snapshots.keys()).collect();
    for layer in runner.replica.iter().flat_map(|replica| replica.layers().unwrap()) {
        let name = layer.file_name.trim_start_matches("volume-snap-").trim_end_matches(".img").to_owned();
        assert!(layer.is_head || known.contains(&name), "{}: {name} came from nowhere", place.what);
        if !layer.is_head && !layer.removed {
            let facts = (layer.user_created, layer.created.as_str(), layer.labels);
            let expected = match name.strip_prefix("expand-") {
                Some(size) => (false, CREATED, BTreeMap::from([("replica-expansion".to_owned(), size.to_owned())])),
                None if after.filled.contains(&name) => (false, "", BTreeMap::new()),
                None => (true, CREATED, labels()),
            };
            assert_eq!(facts, expected, "{}: {name}", place.what);
            check_checksum(runner.replica.as_ref().unwrap(), &name, &place.what);
        }
    }
    runner.close();
    check_files(&runner.dir, runner.options.revision_counter, &place.what);
    crate::parties::sums::check_sums(&runner.dir);
    let reopened = look(runner.open());
    assert_eq!(reopened.content, seen.content, "{}: another open shows something else", place.what);
    runner.close();
    if seen == after.view() {
        if seen.content.is_none() { Found::Rebuilding } else { Found::After }
    } else {
        assert_eq!(seen, before.view(), "{}: neither this nor {:?}", place.what, after.view());
        if seen.content.is_none() { Found::Rebuilding } else { Found::Before }
    }
}

/// A checksum that counts as valid is the right one.
fn check_checksum(replica: &Replica, snapshot: &str, what: &str) {
    let readable = !replica.rebuilding();
    if readable && replica.snapshot_checksum(snapshot).unwrap().is_some() {
        let again = replica.hash_snapshot(snapshot, true, &HashControl::default()).unwrap();
        assert!(!again.silently_corrupted, "{what}: the checksum of {snapshot} was wrong");
    }
}

/// The directory after the whole scenario, and one more snapshot on it.
pub(crate) fn check_at_end(scenario: &Scenario, place: &Place) {
    let mut model = Model::after(scenario.steps);
    if !model.exists {
        assert!(!place.replica().exists(), "{}", place.what);
        return;
    }
    let mut runner = Runner::new(place.replica(), scenario.revision_counter);
    runner.open();
    for step in [Step::Snapshot("afterwards"), Step::Write { block: 0, count: 1, byte: 0xee }, Step::Close] {
        runner.perform(&step);
        model.apply(&step);
    }
    check_files(&runner.dir, scenario.revision_counter, &place.what);
    crate::parties::sums::check_sums(&runner.dir);
    let seen = look(runner.open());
    assert_eq!(seen.content, model.view().content, "{}: at the end", place.what);
    runner.close();
}

pub(crate) fn look(replica: &Replica) -> View {
    let (dirty, epoch) = (replica.was_dirty(), replica.fence().epoch);
    if replica.rebuilding() {
        assert!(replica.read(0, BLOCK as u32).is_err(), "nothing is served while rebuilding");
        return View { dirty, epoch, content: None };
    }
    let size = u32::try_from(replica.size()).unwrap();
    let layers = replica.layers().unwrap();
    let live = layers.iter().filter(|layer| !layer.removed && !layer.is_head);
    let snapshots = live
        .map(|layer| {
            let name = layer.file_name.trim_start_matches("volume-snap-").trim_end_matches(".img");
            assert_eq!(image_of(name), layer.file_name);
            (name.to_owned(), fill_bytes(&replica.read_layer_chain(&layer.file_name, 0, size).unwrap()))
        })
        .collect();
    let head = fill_bytes(&replica.read(0, size).unwrap());
    View { dirty, epoch, content: Some(Content { head, snapshots }) }
}

/// The byte that fills each block.
pub(crate) fn fill_bytes(content: &[u8]) -> Vec<u8> {
    let fill = |block: &[u8]| {
        assert!(block.iter().all(|byte| *byte == block[0]), "a torn block");
        block[0]
    };
    content.chunks(BLOCK).map(fill).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct VolumeMeta {
    size: u64,
    head: String,
    dirty: bool,
    rebuilding: bool,
    error: String,
    parent: String,
    sector_size: u32,
    backing_file_path: String,
    encrypted: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct LayerMeta {
    name: String,
    parent: String,
    removed: bool,
    user_created: bool,
    created: String,
    labels: Option<BTreeMap<String, String>>,
}

/// A closed directory holds its layers and nothing else, with metadata as Longhorn writes it.
pub(crate) fn check_files(dir: &Path, revision_counter: bool, what: &str) {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let listing: BTreeSet<String> = entries.collect();
    let volume: VolumeMeta = as_longhorn_writes(dir, "volume.meta", what);
    assert_eq!((volume.dirty, volume.sector_size), (false, 512), "{what}");
    let mut expected = BTreeSet::from(["volume.meta", "aurochs.state", "aurochs.regions"].map(str::to_owned));
    if revision_counter {
        expected.insert("revision.counter".to_owned());
    }
    let is_layer = |file: &&String| file.ends_with(".img") && (file.contains("-snap-") || **file == volume.head);
    for image in listing.iter().filter(is_layer) {
        let meta = format!("{image}.meta");
        expected.extend([image.clone(), meta.clone(), format!("{image}.checksum")]);
        // What Longhorn writes for a snapshot that a clone or restore filled in.
        if std::fs::read_to_string(dir.join(&meta)).unwrap() == "{\"Parent\":\"\"}\n" {
            continue;
        }
        let layer: LayerMeta = as_longhorn_writes(dir, &meta, what);
        let grounded = volume.rebuilding || layer.parent.is_empty();
        assert!(grounded || listing.contains(&layer.parent), "{what}: {image} stands on nothing");
        if *image == volume.head {
            assert_eq!(layer.parent, volume.parent, "{what}: the head's parent");
        }
    }
    let sums = |file: &&String| crate::parties::sums::are_of_an_image(dir, file);
    let strays: Vec<_> = listing.difference(&expected).filter(|file| !sums(file)).collect();
    assert!(strays.is_empty(), "{what}: left in the directory: {strays:?}");
}

fn as_longhorn_writes<T: Serialize + for<'text> Deserialize<'text>>(dir: &Path, file: &str, what: &str) -> T {
    let text = std::fs::read_to_string(dir.join(file)).unwrap_or_else(|error| panic!("{what}: {file}: {error}"));
    let meta: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {file}: {error}: {text}"));
    assert_eq!(text, format!("{}\n", serde_json::to_string(&meta).unwrap()), "{what}: {file}");
    meta
}
