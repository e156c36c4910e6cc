//! Engine and replica processes: started, watched, stopped.
//!
//! ```text
//!            spawned        socket answers          asked to stop        exits
//!  (none) ──► Starting ──────► Running ──────────────► Stopping ─────────► (gone)
//!                │                │ exits unasked
//!                └──── exits ─────┴──────────────► Error (stays until stopped or started again)
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

use super::adoption::{self, Note, Notes};
use super::arguments;
use super::ports::Ports;
use crate::grpc::instance_v1::instance_start_request::Spec;
use crate::grpc::instance_v1::{Instance, InstanceKind, InstanceStartRequest, InstanceState};
use crate::link::{Address, nearby};

/// A started process has to answer on its socket within this time.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause between two looks at a process that is not our child, or at a socket that is not there yet.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);
/// A log longer than this is moved aside when its process is started again.
const LOG_MAXIMUM: u64 = 8 << 20;

/// Where an instance manager keeps and finds things.
#[derive(Clone, Debug)]
pub struct Settings {
    pub node: String,
    /// The binary that is started: this one.
    pub binary: PathBuf,
    /// Sockets and notes; on a file system that a reboot empties, or marked by boot id.
    pub run_directory: PathBuf,
    pub log_directory: PathBuf,
    /// Where block device nodes are made, `/dev/longhorn`.
    pub device_directory: PathBuf,
    /// Address of this instance manager, for the engines' keeper.
    pub own_address: Address,
    /// How other machines reach the processes; `None` for this machine alone.
    pub network: Option<Network>,
}

/// Where other machines reach the processes of a node.
#[derive(Clone, Debug)]
pub struct Network {
    pub ip: IpAddr,
    /// The directory of the certificate that the processes show, and are shown one like.
    pub tls: PathBuf,
}

/// Why a process could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("instance {0} is already running with other arguments; stop it first")]
    OtherArguments(String),
    #[error(
        "volume {volume} has an engine on this node already, {running} (process {pid}); two engines of one volume would \
         fight for its devices and replicas, so stop that one first"
    )]
    SecondEngine { volume: String, running: String, pid: u32 },
    #[error("instance {name} names neither an engine nor a replica to start")]
    NothingToStart { name: String },
    #[error("{0:?} is no name of an instance: use letters, digits, '-' and '.'")]
    BadName(String),
    #[error("cannot {what} for instance {name}: {source}")]
    Io { what: &'static str, name: String, source: io::Error },
    #[error("the instance manager is about to end, and starts nothing any more; the next one does")]
    Closing,
    #[error("instance {name} (process {pid}) did not end within {seconds} s of being killed; its disk may hang")]
    DoesNotEnd { name: String, pid: u32, seconds: u64 },
}

/// All processes of a node. Cheap to clone.
#[derive(Clone)]
pub struct Processes {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    notes: Notes,
    ports: Option<Ports>,
    table: Mutex<BTreeMap<String, Entry>>,
    changed: watch::Sender<u64>,
    /// Nothing is started any more. Changed and asked with the table locked.
    closing: AtomicBool,
}

#[derive(Clone)]
struct Entry {
    instance: Instance,
    start_ticks: u64,
}

impl Processes {
    /// Finds the processes that a former instance manager of this node left running.
    pub fn open(settings: Settings) -> io::Result<Self> {
        fs::create_dir_all(&settings.run_directory)?;
        fs::create_dir_all(&settings.log_directory)?;
        let notes = Notes::open(&settings.run_directory.join("instances"))?;
        let living = notes.living()?;
        let table = Mutex::new(BTreeMap::new());
        let ports = settings.network.as_ref().map(|network| Ports::of(network.ip));
        let (changed, closing) = (watch::Sender::new(0), AtomicBool::new(false));
        let shared = Shared { settings, notes, ports, table, changed, closing };
        let processes = Self { shared: Arc::new(shared) };
        for note in living {
            tracing::info!(instance = note.name, pid = note.pid, "found again");
            processes.adopt(&note);
        }
        Ok(processes)
    }

    /// Path of the volume's block device, if an engine of the volume runs here; there may be nothing at it.
    #[must_use]
    pub fn device_of(&self, volume: &str) -> Option<PathBuf> {
        let serves = |instance: &Instance| {
            instance.volume == volume
                && instance.kind() == InstanceKind::Engine
                && instance.state() == InstanceState::Running
        };
        self.list().iter().any(serves).then(|| self.shared.settings.device_directory.join(volume))
    }

    fn adopt(&self, note: &Note) {
        let kind = if note.is_engine { InstanceKind::Engine } else { InstanceKind::Replica };
        let instance = Instance {
            name: note.name.clone(),
            volume: note.volume.clone(),
            kind: kind.into(),
            state: InstanceState::Running.into(),
            address: note.address.clone(),
            pid: note.pid,
            error: String::new(),
            epoch: note.epoch,
            directory: note.directory.clone(),
            exit_code: 0,
        };
        self.lock().insert(note.name.clone(), Entry { instance, start_ticks: note.start_ticks });
        let (processes, note) = (self.clone(), note.clone());
        tokio::spawn(async move {
            while adoption::is_alive(note.pid, note.start_ticks) {
                tokio::time::sleep(LOOK_INTERVAL * 8).await;
            }
            // Its parent is gone, and with it the way to hear how it ended.
            processes.ended(&note.name, note.pid, "it ended", 0);
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn list(&self) -> Vec<Instance> {
        self.lock().values().map(|entry| entry.instance.clone()).collect()
    }

    /// Removes the block devices that killed engines of a deleted volume have left on this node.
    pub(super) async fn forget_devices(&self, volume: &str) {
        let settings = &self.shared.settings;
        let run = settings.run_directory.join("volumes").join(volume);
        if let Err(error) = crate::frontend::forget::forget_devices(volume, &run, &settings.device_directory).await {
            tracing::warn!(volume, %error, "a device of the deleted volume is left behind");
        }
    }

    /// Tells of every change of the list.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    fn update(&self, name: &str, pid: u32, change: impl FnOnce(&mut Instance)) {
        if let Some(entry) = self.lock().get_mut(name).filter(|entry| entry.instance.pid == pid) {
            change(&mut entry.instance);
        }
        self.shared.changed.send_modify(|count| *count += 1);
    }

    /// Starts a process and returns at once; the list tells when it answers. Asked again with the same arguments, it
    /// returns the running one.
    pub fn start(&self, request: &InstanceStartRequest) -> Result<Instance, ProcessError> {
        let name = request.name.as_str();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) {
            return Err(ProcessError::BadName(name.to_owned()));
        }
        let mut table = self.lock();
        if self.shared.closing.load(Ordering::Relaxed) {
            return Err(ProcessError::Closing);
        }
        if let Some(entry) = table.get(name)
            && adoption::is_alive(entry.instance.pid, entry.start_ticks)
        {
            let same = is_same(&entry.instance, request) && entry.instance.state() != InstanceState::Stopping;
            return if same { Ok(entry.instance.clone()) } else { Err(ProcessError::OtherArguments(name.to_owned())) };
        }
        if matches!(request.spec, Some(Spec::Engine(_)))
            && let Some(running) = living_engine(&table, &request.volume)
        {
            let Instance { name: running, pid, .. } = running.clone();
            return Err(ProcessError::SecondEngine { volume: request.volume.clone(), running, pid });
        }
        let (instance, child) = self.spawn(request, &table)?;
        let start_ticks = adoption::start_ticks(instance.pid).unwrap_or_default();
        table.insert(name.to_owned(), Entry { instance: instance.clone(), start_ticks });
        drop(table);
        self.note(&instance, start_ticks);
        self.shared.changed.send_modify(|count| *count += 1);
        self.watch(child, &instance);
        Ok(instance)
    }

    fn spawn(
        &self,
        request: &InstanceStartRequest,
        table: &BTreeMap<String, Entry>,
    ) -> Result<(Instance, std::process::Child), ProcessError> {
        let settings = &self.shared.settings;
        let name = request.name.as_str();
        let io_error = |what| move |source| ProcessError::Io { what, name: name.to_owned(), source };
        let local = Address::Unix(nearby::socket(&settings.run_directory, name));
        let address = self.far_address(table).map_err(io_error("find a port"))?.unwrap_or_else(|| local.clone());
        let mut instance = Instance {
            name: name.to_owned(),
            volume: request.volume.clone(),
            state: InstanceState::Starting.into(),
            address: address.to_string(),
            ..Instance::default()
        };
        let arguments = match &request.spec {
            Some(Spec::Replica(replica)) => {
                instance.kind = InstanceKind::Replica.into();
                instance.directory.clone_from(&replica.directory);
                arguments::replica(replica, settings)
            }
            Some(Spec::Engine(engine)) => {
                instance.kind = InstanceKind::Engine.into();
                instance.epoch = engine.epoch;
                arguments::engine(engine, settings)
            }
            None => return Err(ProcessError::NothingToStart { name: name.to_owned() }),
        };
        let log = open_log(&self.log_path(name)).map_err(io_error("open the log"))?;
        let log_too = log.try_clone().map_err(io_error("open the log"))?;
        let mut command = Command::new(&settings.binary);
        command.args(arguments).args(["--volume", &request.volume, "--name", name, "--listen", &address.to_string()]);
        if address != local && instance.kind() == InstanceKind::Replica {
            // For the engine, if it is on this machine.
            command.args(["--listen", &local.to_string()]);
        }
        // A group of its own: a signal to the manager's terminal does not reach the volumes.
        command.process_group(0).stdin(Stdio::null()).stdout(log).stderr(log_too);
        let child = command.spawn().map_err(io_error("start the process"))?;
        instance.pid = child.id();
        tracing::info!(instance = name, pid = instance.pid, "started");
        Ok((instance, child))
    }

    /// Where other machines reach the next process, if they do.
    fn far_address(&self, table: &BTreeMap<String, Entry>) -> io::Result<Option<Address>> {
        let Some(ports) = &self.shared.ports else { return Ok(None) };
        let port = |entry: &Entry| entry.instance.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let taken = table.values().filter_map(port).collect();
        Ok(Some(Address::Tls(ports.free(&taken)?.to_string())))
    }

    fn note(&self, instance: &Instance, start_ticks: u64) {
        let note = Note {
            name: instance.name.clone(),
            volume: instance.volume.clone(),
            is_engine: instance.kind() == InstanceKind::Engine,
            pid: instance.pid,
            start_ticks,
            address: instance.address.clone(),
            epoch: instance.epoch,
            directory: instance.directory.clone(),
            boot_id: adoption::boot_id(),
        };
        if let Err(error) = self.shared.notes.write(&note) {
            tracing::error!(instance = note.name, %error, "cannot note the process; a restart would not find it");
        }
    }

    /// Waits for the child's socket and for its end.
    fn watch(&self, mut child: std::process::Child, instance: &Instance) {
        let (processes, name, pid) = (self.clone(), instance.name.clone(), instance.pid);
        tokio::task::spawn_blocking(move || {
            let (how, exit_code) = match child.wait() {
                Ok(status) => (status.to_string(), status.code().unwrap_or_default()),
                Err(error) => (error.to_string(), 0),
            };
            processes.ended(&name, pid, &how, exit_code);
        });
        let (processes, name) = (self.clone(), instance.name.clone());
        let Ok(address) = instance.address.parse::<Address>() else { return };
        tokio::spawn(async move {
            let deadline = tokio::time::Instant::now() + START_TIMEOUT;
            while address.connect().await.is_err() {
                // Whoever waits for its end says so in the table.
                if !processes.is_starting(&name, pid) {
                    return;
                }
                if tokio::time::Instant::now() > deadline {
                    return processes.started(&name, pid, InstanceState::Error);
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            processes.started(&name, pid, InstanceState::Running);
        });
    }

    fn is_starting(&self, name: &str, pid: u32) -> bool {
        let is_it = |entry: &Entry| entry.instance.pid == pid && entry.instance.state() == InstanceState::Starting;
        self.lock().get(name).is_some_and(is_it)
    }

    /// A start has come to its end, one way or the other. A process that does not answer is left to whoever stops it.
    fn started(&self, name: &str, pid: u32, outcome: InstanceState) {
        self.update(name, pid, |instance| {
            if instance.state() != InstanceState::Starting {
                return;
            }
            instance.state = outcome.into();
            if outcome == InstanceState::Error {
                instance.error = format!("it did not answer within {} s of its start", START_TIMEOUT.as_secs());
            }
        });
    }

    /// A process is gone: asked to, it leaves the list; else it stays there with its last words.
    fn ended(&self, name: &str, pid: u32, how: &str, exit_code: i32) {
        let mut table = self.lock();
        // The note may be a later process's by now: without it, that one would be lost at the next restart.
        if table.get(name).is_none_or(|entry| entry.instance.pid == pid) {
            self.shared.notes.remove(name);
        }
        let Some(entry) = table.get_mut(name).filter(|entry| entry.instance.pid == pid) else { return };
        if entry.instance.state() == InstanceState::Stopping {
            table.remove(name);
        } else {
            let words = last_words(&self.log_path(name));
            tracing::warn!(instance = name, pid, how, words, "ended unexpectedly");
            entry.instance.state = InstanceState::Error.into();
            entry.instance.exit_code = exit_code;
            entry.instance.error = if words.is_empty() { how.to_owned() } else { format!("{how}: {words}") };
        }
        drop(table);
        self.shared.changed.send_modify(|count| *count += 1);
    }

    /// Asks a process to end, kills it after `grace`, and returns when it is gone. Unknown names succeed.
    pub async fn stop(&self, name: &str, grace: Duration) -> Result<(), ProcessError> {
        let Some(entry) = self.lock().get(name).cloned() else { return Ok(()) };
        let pid = entry.instance.pid;
        if !adoption::is_alive(pid, entry.start_ticks) {
            let mut table = self.lock();
            // Unless it was started again this moment.
            if table.get(name).is_some_and(|now| now.instance.pid == pid) {
                table.remove(name);
            }
            drop(table);
            self.shared.changed.send_modify(|count| *count += 1);
            return Ok(());
        }
        self.update(name, pid, |instance| instance.state = InstanceState::Stopping.into());
        signal(pid, Signal::SIGTERM);
        if self.gone_within(name, &entry, grace).await {
            return Ok(());
        }
        tracing::warn!(instance = name, pid, seconds = grace.as_secs(), "does not end; killed");
        signal(pid, Signal::SIGKILL);
        let patience = Duration::from_secs(30);
        if self.gone_within(name, &entry, patience).await {
            return Ok(());
        }
        Err(ProcessError::DoesNotEnd { name: name.to_owned(), pid, seconds: patience.as_secs() })
    }

    async fn gone_within(&self, name: &str, entry: &Entry, time: Duration) -> bool {
        let mut changes = self.changes();
        let is_gone = async {
            loop {
                let listed = self.lock().get(name).is_some_and(|now| now.instance.pid == entry.instance.pid);
                if !listed {
                    return;
                }
                // The list changes when the watcher of the process sees its end.
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(time, is_gone).await.is_ok()
    }

    /// Starts nothing from now on: whoever sees a process end would have it started again.
    pub fn close(&self) {
        let _table = self.lock();
        self.shared.closing.store(true, Ordering::Relaxed);
    }

    /// Engines first, so that they let go of their replicas cleanly.
    pub async fn stop_all(&self, grace: Duration) -> Vec<ProcessError> {
        let mut errors = Vec::new();
        for wanted in [InstanceKind::Engine, InstanceKind::Replica] {
            let all = self.list();
            let of_kind = all.iter().filter(|instance| instance.kind() == wanted);
            let stops = of_kind.map(|instance| self.stop(&instance.name, grace));
            errors.extend(futures::future::join_all(stops).await.into_iter().filter_map(Result::err));
        }
        errors
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.shared.settings.log_directory.join(format!("{name}.log"))
    }
}

fn living_engine<'table>(table: &'table BTreeMap<String, Entry>, volume: &str) -> Option<&'table Instance> {
    let engines = table.values().filter(|entry| {
        entry.instance.kind() == InstanceKind::Engine
            && entry.instance.volume == volume
            && adoption::is_alive(entry.instance.pid, entry.start_ticks)
    });
    engines.map(|entry| &entry.instance).next()
}

fn is_same(running: &Instance, request: &InstanceStartRequest) -> bool {
    let same_spec = match &request.spec {
        Some(Spec::Replica(replica)) => replica.directory == running.directory,
        Some(Spec::Engine(engine)) => running.epoch == engine.epoch,
        None => false,
    };
    running.volume == request.volume && same_spec
}

fn signal(pid: u32, signal: Signal) {
    let Ok(pid) = i32::try_from(pid) else { return };
    // It may have ended this moment; the watcher tells.
    let _ = kill(Pid::from_raw(pid), signal);
}

fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_MAXIMUM) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    File::options().create(true).append(true).open(path)
}

/// The last line of a log: what a process said before it ended.
fn last_words(path: &Path) -> String {
    const TAIL: u64 = 4096;
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(String::from_utf8_lossy(&tail).into_owned())
    };
    let tail = read().unwrap_or_default();
    let last = tail.lines().rev().find(|line| line.starts_with("error: "));
    last.map(|line| line.trim_start_matches("error: ").trim().to_owned()).unwrap_or_default()
}
