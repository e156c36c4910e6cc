//! A running volume: backed up and restored through its engine, while a client uses it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aurochs_engine::grpc::engine_v1::{
    BackupCreateRequest, BackupRestoreRequest, BackupStatus, SnapshotCreateRequest, TransferState,
};

use crate::content::Content;
use crate::fio::{self, Place};
use crate::job;
use crate::processors::Machine;
use crate::report::Figure;
use crate::server::run;
use crate::settings::Settings;
use crate::target::volume::{Offer, Spec, Storage, Volume};
use crate::workplace::Workplace;

/// What the client of the volume does: one request at a time, where a delay is felt most, and many.
const JOBS: [&str; 4] = ["rr4k-q1", "rw4k-q1", "rr4k-q16", "rw4k-q16"];
const SNAPSHOT: &str = "s1";
/// How often the engine is asked how far it is.
const LOOK: Duration = Duration::from_millis(20);

/// One replica: more of them share the work of a backup, and add writes to a restore.
const COPIES: usize = 1;

pub(crate) struct Measured {
    volume: Option<Volume>,
    store: PathBuf,
}

impl Measured {
    /// A volume that is full, with a snapshot; none where no part wants it.
    pub(crate) async fn start(settings: &Settings, workplace: &Workplace) -> Self {
        let store = workplace.directory("engine-store");
        if !settings.has("volume") && !settings.has("foreground") {
            return Self { volume: None, store };
        }
        let size = settings.size();
        let spec = Spec { name: "source", size, copies: COPIES, storage: Storage::Disk, offer: Offer::default() };
        let volume = Volume::start(settings, workplace, &spec).await;
        let image = workplace.path("image");
        Content::new(size).write_to(&image);
        run("nbdcopy", ["--flush".as_ref(), image.as_os_str(), volume.nbd_uri.as_ref()]).await;
        fs::remove_file(&image).unwrap();
        let request = SnapshotCreateRequest { name: SNAPSHOT.to_owned(), ..SnapshotCreateRequest::default() };
        volume.client.clone().snapshot_create(request).await.unwrap();
        Self { volume: Some(volume), store }
    }

    fn volume(&self) -> &Volume {
        self.volume.as_ref().expect("a volume is started where a part wants it")
    }

    fn url(&self) -> String {
        format!("vfs://{}", self.store.display())
    }

    async fn begin(&self, name: &str) {
        let request = BackupCreateRequest {
            backup: name.to_owned(),
            snapshot: SNAPSHOT.to_owned(),
            target_url: self.url(),
            volume: name.to_owned(),
            ..BackupCreateRequest::default()
        };
        self.volume().client.clone().backup_create(request).await.unwrap();
    }

    async fn backup(&self, name: &str) -> BackupStatus {
        let status = self.volume().status().await;
        let found = status.backups.into_iter().find(|backup| backup.backup == name).expect("the backup is shown");
        assert!(found.state() != TransferState::TransferFailed, "{found:?}");
        found
    }

    /// Waits for the first block: before that, locks are waited for.
    async fn first_block(&self, name: &str) {
        while self.backup(name).await.done_bytes == 0 {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for the end.
    async fn over(&self, name: &str) -> BackupStatus {
        loop {
            let found = self.backup(name).await;
            if found.state() != TransferState::TransferInProgress {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn clear(&self) {
        fs::remove_dir_all(&self.store).unwrap();
        fs::create_dir(&self.store).unwrap();
    }

    /// One backup and one restore, from the first block to the end; and what the engine takes for them.
    pub(crate) async fn transfer(&self, settings: &Settings, workplace: &Workplace, round: u32) -> Vec<Figure> {
        let name = format!("transfer-{round}");
        let mib = settings.size() as f64 / f64::from(1 << 20);
        let engine = self.volume().counted()[0].pid;
        let memory = EnginePeak::begin(engine);
        self.begin(&name).await;
        self.first_block(&name).await;
        let machine = Machine::now();
        let begin = Instant::now();
        self.over(&name).await;
        let backup = mib / begin.elapsed().as_secs_f64();
        let taken = machine.taken_since("backup, volume, directory", mib);
        let mut figures = vec![
            Figure::rate("backup, volume, directory", backup),
            Figure::memory("memory of a backup, engine", memory.mib()),
        ];
        figures.extend(taken);
        let target = format!("restored-{round}");
        // No client has the volume: a restore wants it for itself.
        let offer = Offer { nothing: true, ..Offer::default() };
        let spec = Spec { name: &target, size: settings.size(), copies: COPIES, storage: Storage::Disk, offer };
        let volume = Volume::start(settings, workplace, &spec).await;
        figures.extend(self.restore(&volume, &name, mib).await);
        let directory = volume.replicas[0].directory.clone();
        volume.stop().await;
        fs::remove_dir_all(directory).unwrap();
        self.clear();
        figures
    }

    async fn restore(&self, volume: &Volume, name: &str, mib: f64) -> Vec<Figure> {
        let memory = EnginePeak::begin(volume.counted()[0].pid);
        let request = BackupRestoreRequest {
            target_url: self.url(),
            volume: name.to_owned(),
            backup: name.to_owned(),
            ..BackupRestoreRequest::default()
        };
        volume.client.clone().backup_restore(request).await.unwrap();
        let mut begin = None;
        loop {
            let status = volume.status().await.restore.expect("the restore is shown");
            if begin.is_none() && status.done_bytes > 0 {
                begin = Some((Instant::now(), Machine::now()));
            }
            match status.state() {
                TransferState::TransferInProgress => tokio::time::sleep(LOOK).await,
                TransferState::TransferComplete => break,
                _ => panic!("{status:?}"),
            }
        }
        let (begin, machine) = begin.expect("progress is told before the end");
        let seconds = begin.elapsed().as_secs_f64();
        let mut figures = vec![
            Figure::rate("restore, volume, directory", mib / seconds),
            Figure::memory("memory of a restore, engine", memory.mib()),
        ];
        figures.extend(machine.taken_since("restore, volume, directory", mib));
        figures
    }

    /// What a client of the volume has during a backup, as parts of what it has without one.
    pub(crate) async fn foreground(&self, settings: &Settings, round: u32) -> Vec<Figure> {
        let mut figures = Vec::new();
        for job in JOBS {
            let place = Place::Nbd(self.volume().nbd_uri.clone());
            let arguments = fio::arguments(&place, job::named(job), settings.size(), settings.seconds());
            let alone = fio::run(&fio::program(settings), &arguments).await;
            let name = format!("foreground-{round}-{job}");
            self.begin(&name).await;
            self.first_block(&name).await;
            let beside = fio::run(&fio::program(settings), &arguments).await;
            let still_runs = self.backup(&name).await.state() == TransferState::TransferInProgress;
            self.over(&name).await;
            self.clear();
            let note = if still_runs { "" } else { " (the backup ended before the client did)" };
            figures.push(Figure::ratio(
                &format!("{job}: requests a second during a backup{note}"),
                beside.iops / alone.iops,
            ));
            figures.push(Figure::ratio(&format!("{job}: p99 during a backup{note}"), beside.p99_us / alone.p99_us));
        }
        figures
    }

    pub(crate) async fn stop(self) {
        if let Some(volume) = self.volume {
            volume.stop().await;
        }
    }
}

/// What an engine takes at most from a moment on, more than it had then.
struct EnginePeak {
    pid: String,
    before_mib: f64,
}

impl EnginePeak {
    fn begin(pid: u32) -> Self {
        let pid = pid.to_string();
        fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        Self { before_mib: status_mib(&pid, "VmRSS:"), pid }
    }

    fn mib(&self) -> f64 {
        (status_mib(&self.pid, "VmHWM:") - self.before_mib).max(0.0)
    }
}

/// A field of `/proc/<process>/status`.
pub(crate) fn status_mib(process: &str, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    value.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
