//! `aurochs-engine backup verify`: whether a backup can be restored.

use aurochs_api::size::ByteSize;
use clap::Args;
use serde_json::json;

use super::super::ProgramError;
use super::super::terminal::{self, Paint};
use super::target::{TargetArguments, with_progress};
use crate::backup::{Progress, Verification, verify};

/// Reads a backup and checks every block of it against its checksum.
///
/// Fetches all blocks, or some with --sample, and writes nothing, neither here nor there. Ends with 0 when all that was
/// checked is good, with 1 when blocks are missing or damaged, with 2 when the target cannot be used.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine backup verify 'vfs:///mnt/backups?backup=backup-0a1b&volume=pvc-1f2e'
  aurochs-engine backup verify --sample 100 <url>

Keys of the JSON: url, good, different_blocks, checked_blocks, checked_bytes, failures [{offset, checksum, error}].")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Check so many blocks, chosen by chance, instead of all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
    /// Blocks fetched at the same time; without it, as many as this machine can use.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    concurrency: usize,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments) -> Result<(), ProgramError> {
    let (volume, backup) = arguments.target.backup()?;
    let store = arguments.target.open().await?;
    let progress = Progress::default();
    let work = verify(&store, volume, backup, arguments.sample, arguments.concurrency, &progress);
    let verification = with_progress("checked", &progress, work).await?;
    if arguments.json {
        terminal::print_json(&in_json(arguments, &verification))?;
    } else {
        terminal::print(&text(&verification))?;
    }
    match verification.failures.len() {
        0 => Ok(()),
        count => Err(ProgramError::BackupDamaged { backup: backup.to_owned(), count }),
    }
}

fn in_json(arguments: &Arguments, verification: &Verification) -> serde_json::Value {
    let failures = verification.failures.iter().map(|failure| {
        json!({
            "offset": failure.offset,
            "checksum": failure.checksum.to_string(),
            "error": failure.error.to_string(),
        })
    });
    json!({
        "url": arguments.target.url.to_string(),
        "good": verification.failures.is_empty(),
        "different_blocks": verification.blocks,
        "checked_blocks": verification.checked,
        "checked_bytes": verification.checked_bytes,
        "failures": failures.collect::<Vec<_>>(),
    })
}

fn text(verification: &Verification) -> String {
    let Verification { blocks, checked, checked_bytes, failures } = verification;
    let checked_size = ByteSize(*checked_bytes);
    let mut text = format!("checked {checked} of {blocks} blocks, {checked_size}: {} bad\n", failures.len());
    if !failures.is_empty() {
        let rows: Vec<_> =
            failures.iter().map(|failure| vec![failure.offset.to_string(), failure.error.to_string()]).collect();
        text.push_str(&terminal::table(&["OFFSET", "WHAT IS WRONG"], &rows, Paint::for_stdout()));
    }
    text
}
