//! How much is measured, and where.

use std::path::PathBuf;

use clap::Parser;

use crate::sizes;

/// Measures backups and restores beside the limits of hashing and compressing.
#[derive(Debug, Parser)]
pub(crate) struct Settings {
    /// Bytes of the volume; `64M`, `4G`.
    #[arg(long, default_value = "4G", value_parser = bytes)]
    pub(crate) size: u64,
    /// At least 5 for figures that are kept.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Of each run of the client of the volume.
    #[arg(long, default_value_t = 3)]
    pub(crate) seconds: u32,
    /// limits, directory, s3, volume, foreground; comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "limits,directory,s3,volume,foreground")]
    pub(crate) parts: Vec<String>,
    /// Everything lives in a directory below this one.
    #[arg(long, default_value = "/var/tmp")]
    pub(crate) directory: PathBuf,
    /// Where `scripts/bench-tools.sh` put its programs.
    #[arg(long, default_value = "target/bench-tools")]
    pub(crate) tools: PathBuf,
    /// The engine's program.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_aurochs-engine"))]
    pub(crate) engine: PathBuf,
    /// Where all figures are written.
    #[arg(long, default_value = "bench-backup.json")]
    pub(crate) json: PathBuf,
    /// Does everything work? One short round on a small volume; the figures mean little.
    #[arg(long)]
    pub(crate) quick: bool,
    /// `cargo bench` says this to every program that it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Settings {
    pub(crate) fn has(&self, part: &str) -> bool {
        self.parts.iter().any(|wanted| wanted == part)
    }

    pub(crate) fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    pub(crate) fn seconds(&self) -> u32 {
        if self.quick { 1 } else { self.seconds }
    }

    /// Bytes of the volume.
    pub(crate) fn size(&self) -> u64 {
        if self.quick { self.size.min(64 << 20) } else { self.size }
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    sizes::bytes(text, 32)
}
