//! The library of the backup store, in this process: from memory into a target, and back into nowhere.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aurochs_engine::backup::block::Compression;
use aurochs_engine::backup::create::create_with;
use aurochs_engine::backup::delete::delete_volume_with;
use aurochs_engine::backup::restore::restore_with;
use aurochs_engine::backup::{
    BlockSink, CreateRequest, Credentials, LockTimes, Mode, Progress, RestoreRequest, SinkError, Store, Target,
};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::content::{BLOCK, Content};
use crate::processors::Machine;
use crate::report::Figure;
use crate::s3_server::S3Server;
use crate::settings::Settings;
use crate::workplace::Workplace;

/// Nobody else uses these targets: the wait for other locks is not what is measured.
const LOCKS: LockTimes =
    LockTimes { wait: Duration::ZERO, renew: Duration::from_secs(60), lifetime: Duration::from_secs(150) };

pub(crate) struct Stores {
    pub(crate) directory: Store,
    pub(crate) s3: Option<S3>,
}

pub(crate) struct S3 {
    pub(crate) store: Store,
    _server: S3Server,
}

impl Stores {
    pub(crate) async fn open(settings: &Settings, workplace: &Workplace) -> Self {
        let directory = open_directory(&workplace.directory("store")).await;
        let s3 = if settings.has("s3") {
            // The server is made where it is missing: that takes a compiler, and a thread that may wait.
            let server = tokio::task::spawn_blocking(S3Server::start).await.ok();
            match server {
                Some(server) => {
                    let store = Store::open(&server.target("bench")).await.unwrap();
                    Some(S3 { store, _server: server })
                }
                None => None,
            }
        } else {
            None
        };
        Self { directory, s3 }
    }
}

async fn open_directory(path: &Path) -> Store {
    let url = format!("vfs://{}", path.display()).parse().unwrap();
    Store::open(&Target { url, credentials: Credentials::default() }).await.unwrap()
}

/// One backup, one restore; then the target is empty again.
pub(crate) async fn measure(settings: &Settings, store: &Store, place: &str, round: u32) -> Vec<Figure> {
    let content = Content::new(settings.size());
    let mib = content.size() as f64 / f64::from(1 << 20);
    let volume = format!("round-{round}");
    let request = CreateRequest {
        volume: volume.clone(),
        backup: "b1".to_owned(),
        snapshot: "s1".to_owned(),
        size: content.size(),
        labels: Default::default(),
        compression: Compression::Lz4,
        block_size: BLOCK,
        mode: Mode::Incremental,
        backing_image_name: String::new(),
        backing_image_checksum: String::new(),
        storage_class: String::new(),
        concurrency: 0,
    };
    let (memory, machine) = (Peak::begin(), Machine::now());
    let begin = Instant::now();
    let created = create_with(store, &request, &content, &Progress::default(), LOCKS).await.unwrap();
    let backup = mib / begin.elapsed().as_secs_f64();
    let mut taken = machine.taken_since(&format!("backup, library, {place}"), mib);
    let backup_memory = memory.mib();
    assert_eq!(created.new_blocks, content.size() / BLOCK);

    let sink = Nowhere::default();
    let request = RestoreRequest {
        volume: volume.clone(),
        backup: "b1".to_owned(),
        sink_is_empty: true,
        ..RestoreRequest::default()
    };
    let (memory, machine) = (Peak::begin(), Machine::now());
    let begin = Instant::now();
    let restored = restore_with(store, &request, &sink, &Progress::default(), LOCKS).await.unwrap();
    let restore = mib / begin.elapsed().as_secs_f64();
    taken.extend(machine.taken_since(&format!("restore, library, {place}"), mib));
    let restore_memory = memory.mib();
    assert_eq!(restored.fetched_bytes, content.size());
    assert!(sink.0.load(Ordering::Relaxed) > content.size() / 2, "what is restored is written");
    delete_volume_with(store, &volume, LOCKS).await.unwrap();
    let mut figures = vec![
        Figure::rate(&format!("backup, library, {place}"), backup),
        Figure::rate(&format!("restore, library, {place}"), restore),
        Figure::memory(&format!("memory of a backup, library, {place}"), backup_memory),
        Figure::memory(&format!("memory of a restore, library, {place}"), restore_memory),
    ];
    figures.extend(taken);
    figures
}

/// Takes everything and keeps nothing but how much it was.
#[derive(Default)]
struct Nowhere(AtomicU64);

impl BlockSink for Nowhere {
    fn read(&self, _: u64, _: u32) -> BoxFuture<'_, Result<Bytes, SinkError>> {
        std::future::ready(Err("an empty volume is not read".into())).boxed()
    }

    fn write(&self, _: u64, data: Bytes) -> BoxFuture<'_, Result<(), SinkError>> {
        self.0.fetch_add(data.len() as u64, Ordering::Relaxed);
        std::future::ready(Ok(())).boxed()
    }

    fn zero(&self, _: u64, _: u64) -> BoxFuture<'_, Result<(), SinkError>> {
        std::future::ready(Ok(())).boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), SinkError>> {
        std::future::ready(Ok(())).boxed()
    }
}

/// What this process takes at most from a moment on, more than it had then.
struct Peak {
    before_mib: f64,
}

impl Peak {
    fn begin() -> Self {
        // The highest mark begins anew (proc(5)).
        fs::write("/proc/self/clear_refs", "5").unwrap();
        Self { before_mib: mib("VmRSS:") }
    }

    fn mib(&self) -> f64 {
        (mib("VmHWM:") - self.before_mib).max(0.0)
    }
}

fn mib(field: &str) -> f64 {
    crate::volume::status_mib("self", field)
}
