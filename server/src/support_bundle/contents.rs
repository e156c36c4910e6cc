//! What goes into a bundle, part by part. What can't be read is told in its place: a bundle is made when things are broken.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Place;
use super::archive::{LIMIT_BYTES, Part};
use super::redact::Redactor;
use crate::events::Events;
use crate::metrics::collect;
use crate::resources::support_bundle::SupportBundleSpec;
use crate::resources::{
    BackingImage, BackingImageDataSource, BackingImageManager, Backup, BackupBackingImage, BackupTarget, BackupVolume,
    Engine, EngineImage, InstanceManager, Kind, Node, Orphan, RecurringJob, Replica, Setting, Shard, ShardGroup,
    ShareManager, Snapshot, SupportBundle, SystemBackup, SystemRestore, Volume, VolumeAttachment, timestamp,
};
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::event;

/// What the archive is told.
#[derive(Debug)]
pub(super) enum Step {
    Add(Part),
    /// There is no room for the part of this name; it was not even read.
    LeaveOut(String),
    /// That was all: without it, the archive is no archive.
    Whole,
}

/// The end of a log is what matters.
const LOG_LIMIT_BYTES: u64 = 8 << 20;
/// Files of logs in a bundle; a node has a few for each volume.
const LOGS_MAXIMUM: usize = 2_000;

/// What contents are made of.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) store: Store,
    pub(super) events: Events,
}

/// Hands over part after part.
pub(super) async fn collect(sources: &Sources, place: &Place, spec: &SupportBundleSpec, parts: mpsc::Sender<Step>) {
    let secrets = place.secrets.clone();
    // Without knowing the secrets nothing may be told.
    let Some(redactor) = blocking(move || Redactor::new(&secrets)).await else { return };
    let giver = Giver::new(redactor, parts, LIMIT_BYTES);
    let about = about(place, spec);
    giver.json("bundle.json", || about).await;
    resources(&giver, &sources.store).await;
    events(&giver, &sources.events).await;
    giver.text("metrics.txt", collect::page(&sources.store).await.unwrap_or_else(|error| error.to_string())).await;
    giver.text("logs/manager.log", crate::logging::recent()).await;
    let directory = place.logs.clone();
    for (name, path) in blocking(move || logs(&directory)).await.unwrap_or_default() {
        giver.file(&format!("logs/{name}"), &path).await;
    }
    for (name, path) in ENVIRONMENT {
        giver.file(&format!("environment/{name}"), Path::new(path)).await;
    }
    let directory = place.directory.clone();
    giver.json("environment/disks.json", move || disks(&directory)).await;
    let _ = giver.parts.send(Step::Whole).await;
}

/// How many parts there will be, about.
pub(super) fn parts_expected(place: &Place) -> usize {
    30 + ENVIRONMENT.len() + logs(&place.logs).len()
}

/// Files of the machine that tell what it is, without telling who uses it.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("cpuinfo.txt", "/proc/cpuinfo"),
    ("kernel.txt", "/proc/version"),
    ("loadavg.txt", "/proc/loadavg"),
    ("meminfo.txt", "/proc/meminfo"),
    ("modules.txt", "/proc/modules"),
    ("mounts.txt", "/proc/self/mountinfo"),
    ("os-release.txt", "/etc/os-release"),
    ("partitions.txt", "/proc/partitions"),
    ("uptime.txt", "/proc/uptime"),
];

/// Takes secrets out and hands over. Both work on megabytes, beside the tasks that answer requests.
struct Giver {
    redactor: Arc<Redactor>,
    parts: mpsc::Sender<Step>,
    /// Bytes that still fit into the bundle, about.
    room: AtomicU64,
}

/// Does what takes long in a thread of its own; nothing when that ended unexpectedly.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(|error| tracing::warn!(%error, "a part of a support bundle was given up")).ok()
}

impl Giver {
    fn new(redactor: Redactor, parts: mpsc::Sender<Step>, room: u64) -> Self {
        Self { redactor: Arc::new(redactor), parts, room: room.into() }
    }

    async fn text(&self, name: &str, text: String) {
        self.part(name, move |redactor| redactor.text(&text).into_bytes()).await;
    }

    async fn json(&self, name: &str, make: impl FnOnce() -> Value + Send + 'static) {
        let content = move |redactor: &Redactor| {
            let mut value = make();
            redactor.json(&mut value);
            serde_json::to_vec_pretty(&value).unwrap_or_default()
        };
        self.part(name, content).await;
    }

    async fn file(&self, name: &str, path: &Path) {
        let path = path.to_owned();
        let content = move |redactor: &Redactor| match end_of(&path) {
            Ok(bytes) => redactor.bytes(&bytes),
            Err(error) => redactor.text(&format!("{} can't be read: {error}\n", path.display())).into_bytes(),
        };
        self.part(name, content).await;
    }

    /// Nothing is read, and no secret searched for, once the bundle is full.
    async fn part(&self, name: &str, make: impl FnOnce(&Redactor) -> Vec<u8> + Send + 'static) {
        let full = self.room.load(Ordering::Relaxed) == 0;
        let redactor = self.redactor.clone();
        let made = if full { None } else { blocking(move || make(&redactor)).await };
        let step = match made {
            Some(content) => {
                let room = self.room.load(Ordering::Relaxed);
                self.room.store(room.saturating_sub(content.len() as u64), Ordering::Relaxed);
                Step::Add(Part { name: name.to_owned(), content })
            }
            None => Step::LeaveOut(name.to_owned()),
        };
        // The receiver ends when the bundle is given up.
        let _ = self.parts.send(step).await;
    }
}

fn about(place: &Place, spec: &SupportBundleSpec) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "createdAt": timestamp::now(),
        "node": place.owner,
        "description": spec.description,
        "issueURL": spec.issue_url,
    })
}

async fn resources(giver: &Giver, store: &Store) {
    kind::<BackingImage>(giver, store).await;
    kind::<BackingImageDataSource>(giver, store).await;
    kind::<BackingImageManager>(giver, store).await;
    kind::<Backup>(giver, store).await;
    kind::<BackupBackingImage>(giver, store).await;
    kind::<BackupTarget>(giver, store).await;
    kind::<BackupVolume>(giver, store).await;
    kind::<Engine>(giver, store).await;
    kind::<EngineImage>(giver, store).await;
    kind::<InstanceManager>(giver, store).await;
    kind::<Node>(giver, store).await;
    kind::<Orphan>(giver, store).await;
    kind::<RecurringJob>(giver, store).await;
    kind::<Replica>(giver, store).await;
    kind::<Setting>(giver, store).await;
    kind::<Shard>(giver, store).await;
    kind::<ShardGroup>(giver, store).await;
    kind::<ShareManager>(giver, store).await;
    kind::<Snapshot>(giver, store).await;
    kind::<SupportBundle>(giver, store).await;
    kind::<SystemBackup>(giver, store).await;
    kind::<SystemRestore>(giver, store).await;
    kind::<Volume>(giver, store).await;
    kind::<VolumeAttachment>(giver, store).await;
}

async fn kind<K: Kind>(giver: &Giver, store: &Store) {
    let found = store.list_shared::<K>().await;
    let make = move || match found {
        Ok(found) => found.iter().map(|object| serde_json::to_value(&**object).unwrap_or_default()).collect(),
        Err(error) => json!({"error": error.to_string()}),
    };
    giver.json(&format!("resources/{}.json", K::PLURAL), make).await;
}

async fn events(giver: &Giver, events: &Events) {
    let found = events.list().await;
    let make = move || match found {
        Ok(found) => found.iter().map(|kept| json!(event::resource(kept, Links::new("")).data.event)).collect(),
        Err(error) => json!({"error": error.to_string()}),
    };
    giver.json("events.json", make).await;
}

/// The logs in a directory and below, by their names.
fn logs(directory: &Path) -> Vec<(String, PathBuf)> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            // Links are not followed: they may lead anywhere.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() && found.len() < LOGS_MAXIMUM => {
                    let path = entry.path();
                    let name = path.strip_prefix(directory).unwrap_or(&path).to_string_lossy().into_owned();
                    found.push((name, path));
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The last of a file.
fn end_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length > LOG_LIMIT_BYTES {
        file.seek(SeekFrom::Start(length - LOG_LIMIT_BYTES))?;
    }
    let mut bytes = Vec::new();
    file.take(LOG_LIMIT_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Room on the disk of the manager's own data.
fn disks(directory: &Path) -> Value {
    match nix::sys::statvfs::statvfs(directory) {
        Ok(found) => json!({
            "path": directory,
            "bytes": found.blocks().saturating_mul(found.fragment_size()),
            "availableBytes": found.blocks_available().saturating_mul(found.fragment_size()),
            "files": found.files(),
            "filesFree": found.files_free(),
        }),
        Err(error) => json!({"path": directory, "error": error.to_string()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_no_room_is_named_and_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        std::fs::write(&path, "0123456789").unwrap();
        let (parts, mut given) = mpsc::channel(8);
        let giver = Giver::new(Redactor::default(), parts, 10);
        giver.file("a.log", &path).await;
        giver.file("b.log", Path::new("/nothing/is/here")).await;
        giver.json("c.json", || panic!("this is not made")).await;
        let names: Vec<String> = std::iter::from_fn(|| given.try_recv().ok())
            .map(|step| match step {
                Step::Add(part) => format!("{} {}", part.name, part.content.len()),
                Step::LeaveOut(name) => format!("{name} left out"),
                Step::Whole => "whole".to_owned(),
            })
            .collect();
        assert_eq!(names, ["a.log 10", "b.log left out", "c.json left out"]);
    }
}
