//! What to measure, for how long, and where.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::job::{self, Job};
use crate::{sizes, target};

/// Measures volumes beside the bare file and other servers.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Settings {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Jobs, comma-separated; `rw4k*` stands for all that begin so.
    #[arg(long, value_delimiter = ',', default_value = "*")]
    pub(crate) jobs: Vec<String>,
    /// Targets, comma-separated; `ours*` stands for all that begin so.
    #[arg(long, value_delimiter = ',', default_value = "*")]
    pub(crate) targets: Vec<String>,
    /// Parts, comma-separated.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "rounds,starts,memory,snapshot,rebuild")]
    pub(crate) parts: Vec<Part>,
    #[command(flatten)]
    pub(crate) extent: Extent,
    /// Everything lives in a directory below this one: images, replicas, sockets, mounts.
    #[arg(long, default_value = "/var/tmp")]
    pub(crate) directory: PathBuf,
    /// Where `scripts/bench-tools.sh` put its programs.
    #[arg(long, default_value = "target/bench-tools")]
    pub(crate) tools: PathBuf,
    /// The engine's program.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_aurochs-engine"))]
    pub(crate) engine: PathBuf,
    /// Where all figures are written.
    #[arg(long, default_value = "bench.json")]
    pub(crate) json: PathBuf,
    /// Starts the targets, prints where they are and keeps them up until Ctrl-C: for a profiler.
    #[arg(long)]
    pub(crate) hold: bool,
    /// `cargo bench` says this to every program that it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much of everything.
#[derive(Debug, Args)]
pub(crate) struct Extent {
    /// At least 5 for figures that are kept.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Of each cell.
    #[arg(long, default_value_t = 3)]
    pub(crate) seconds: u32,
    /// Bytes of each image; `256M`, `2G`.
    #[arg(long, default_value = "2G", value_parser = bytes)]
    pub(crate) size: u64,
    /// How often a cell is measured again when others used the processors meanwhile.
    #[arg(long, default_value_t = 2)]
    pub(crate) repeats: u32,
    /// Does everything work? One short round on small images; the figures mean little.
    #[arg(long)]
    pub(crate) quick: bool,
}

/// What the program does instead of measuring.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints the tables of an earlier run.
    Show { file: PathBuf },
    #[command(hide = true)]
    NullDevice { listen: SocketAddr, size: u64 },
    #[command(hide = true)]
    NullReplica { listen: SocketAddr, size: u64 },
    #[command(hide = true)]
    BareForwarder { listen: SocketAddr, size: u64, disks: Vec<SocketAddr> },
    #[command(hide = true)]
    BareDisk { listen: SocketAddr, image: PathBuf },
    #[command(hide = true)]
    NullIscsi { listen: SocketAddr, size: u64 },
    #[command(hide = true)]
    NullLoop { directory: PathBuf, size: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Rounds,
    Starts,
    Memory,
    Snapshot,
    Rebuild,
}

impl Settings {
    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// A misspelt name would measure nothing, and say so an hour later.
    pub(crate) fn check(&self) {
        let jobs: Vec<&str> = job::ALL.iter().map(|job| job.name).collect();
        for (what, wanted, all) in [("job", &self.jobs, &jobs[..]), ("target", &self.targets, &target::NAMES)] {
            for one in wanted {
                let known = all.iter().any(|name| selects(std::slice::from_ref(one), name));
                assert!(known, "no {what} is called {one}; there are {}", all.join(", "));
            }
        }
    }

    pub(crate) fn wants(&self, target: &str) -> bool {
        selects(&self.targets, target)
    }

    pub(crate) fn jobs(&self) -> Vec<&'static Job> {
        job::ALL.iter().filter(|job| selects(&self.jobs, job.name)).collect()
    }

    pub(crate) fn rounds(&self) -> u32 {
        if self.extent.quick { 1 } else { self.extent.rounds }
    }

    pub(crate) fn seconds(&self) -> u32 {
        if self.extent.quick { 1 } else { self.extent.seconds }
    }

    /// Bytes of an image.
    pub(crate) fn size(&self) -> u64 {
        if self.extent.quick { self.extent.size.min(256 << 20) } else { self.extent.size }
    }

    pub(crate) fn repeats(&self) -> u32 {
        if self.extent.quick { 0 } else { self.extent.repeats }
    }
}

fn selects(wanted: &[String], name: &str) -> bool {
    wanted.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == wanted,
    })
}

fn bytes(text: &str) -> Result<u64, String> {
    sizes::bytes(text, 1)
}
