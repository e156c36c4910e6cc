//! Everything that a run found out, as it is written to the file.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::cell::{Cells, Spread};
use crate::cpu::load;
use crate::settings::Settings;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) machine: String,
    /// Mean of a minute, when the run began.
    pub(crate) load_at_begin: f64,
    pub(crate) load_at_end: f64,
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) size_bytes: u64,
    /// Targets that were asked for and are not there, with the reason.
    pub(crate) absent: Vec<String>,
    pub(crate) cells: Cells,
    pub(crate) starts: Option<Starts>,
    pub(crate) memory: Option<Memory>,
    pub(crate) snapshots: Vec<SnapshotUnderLoad>,
    pub(crate) rebuilds: Vec<Rebuild>,
}

/// From the start of a process until it takes connections (replica) or requests (engine), milliseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Starts {
    pub(crate) replica_ms: Spread,
    pub(crate) engine_ms: Spread,
}

/// Of all processes of one volume together, MiB.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) fresh: Resident,
    pub(crate) after_load: Resident,
    /// Sum of each process's own peak.
    pub(crate) peak_mib: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Resident {
    /// `VmRSS`: what processes share is counted for each.
    pub(crate) rss_mib: f64,
    /// `Pss`: what processes share is divided among them.
    pub(crate) pss_mib: f64,
}

/// One snapshot taken while a client writes at depth 32.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotUnderLoad {
    pub(crate) call_ms: f64,
    /// Longest request that ended between the call and a quarter of a second after its answer.
    pub(crate) longest_during_ms: f64,
    /// Longest request of the rest of the run.
    pub(crate) longest_otherwise_ms: f64,
}

/// One replica built from another one, beside a copy of the same files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Rebuild {
    pub(crate) what: String,
    pub(crate) data_bytes: u64,
    pub(crate) rebuild_s: f64,
    /// `cp --sparse=always`, into the page cache.
    pub(crate) copy_s: f64,
    /// The same until all of it is on the disk, which a rebuild has to be too.
    pub(crate) copy_and_sync_s: f64,
    /// The same content written into a new file, durably, with nothing read, sent or looked at.
    #[serde(default)]
    pub(crate) bare_write_s: f64,
}

impl Record {
    pub(crate) fn begin(settings: &Settings) -> Self {
        Self {
            machine: machine(),
            load_at_begin: load(),
            load_at_end: 0.0,
            rounds: settings.rounds(),
            seconds: settings.seconds(),
            size_bytes: settings.size(),
            absent: Vec::new(),
            cells: Cells::default(),
            starts: None,
            memory: None,
            snapshots: Vec::new(),
            rebuilds: Vec::new(),
        }
    }

    pub(crate) fn end(&mut self) {
        self.load_at_end = load();
    }
}

fn machine() -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or("?".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let processor = field(&text("/proc/cpuinfo"), "model name");
    let memory_kib: f64 = field(&text("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = text("/proc/sys/kernel/osrelease");
    format!("{cores} × {processor}, {:.0} GiB, Linux {}", memory_kib / f64::from(1 << 20), kernel.trim())
}
