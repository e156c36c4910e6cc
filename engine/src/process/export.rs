//! `aurochs-engine export`: an image of a volume from one replica directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aurochs_api::size::ByteSize;
use clap::Args;

use super::terminal::{self, Progress};
use super::{ProgramError, asked_to_end};
use crate::image_format::{self, ExportOptions, Exported, Format};
use crate::offline::{FindingKind, LayerReader, Severity, Structure, Survey, Wanted};

/// Writes the volume, or one of its snapshots, to an image file.
///
/// Needs nothing but the directory (and the backing file, if the volume has one), which is only read. The image is
/// sparse, complete or not there at all, and its SHA-256 (of the content, whatever the format) is printed. A snapshot
/// has the size that the volume had when it was taken.
///
/// A directory that a replica serves is refused. From a damaged one, what stands on an intact chain is exported; for
/// the rest it says what is wrong and what can be exported. Ends with 1 then, and with 2 when the directory could not
/// be looked at.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine export <dir> --output volume.img
  aurochs-engine export <dir> --snapshot before-upgrade --output volume.qcow2 --format qcow2
  mount -o loop,ro volume.img /mnt")]
pub struct Arguments {
    /// Directory with volume.meta and the images.
    directory: PathBuf,
    /// Name of the snapshot; without it, the volume as it is now.
    #[arg(long)]
    snapshot: Option<String>,
    /// The file to write.
    #[arg(long, short)]
    output: PathBuf,
    /// raw or qcow2.
    #[arg(long, default_value = "raw")]
    format: Format,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
}

/// Exports, unless a signal ends it.
///
/// # Errors
/// What is wanted cannot be read, or the image cannot be written; nothing is left of it then.
pub async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let asked = asked_to_end()?;
    let cancel = Arc::new(AtomicBool::new(false));
    let cancelled = Arc::clone(&cancel);
    let mut exporting = tokio::task::spawn_blocking(move || export(&arguments, &cancelled));
    tokio::select! {
        outcome = &mut exporting => return finished(outcome),
        () = asked => cancel.store(true, Ordering::Relaxed),
    }
    finished(exporting.await)
}

fn finished(outcome: Result<Result<(), ProgramError>, tokio::task::JoinError>) -> Result<(), ProgramError> {
    outcome.unwrap_or_else(|error| {
        Err(ProgramError::Io { what: "run the export".to_owned(), source: std::io::Error::other(error) })
    })
}

fn export(arguments: &Arguments, cancel: &AtomicBool) -> Result<(), ProgramError> {
    refuse_output_inside(&arguments.directory, &arguments.output)?;
    let survey = Survey::of(&arguments.directory)?;
    let structure = Structure::of(&survey);
    let wanted = arguments.snapshot.clone().map_or(Wanted::Head, Wanted::Snapshot);
    let mut source = LayerReader::open(&survey, &structure, &wanted)?;
    warn(&structure);
    let options =
        ExportOptions { format: arguments.format, overwrite: arguments.force, checksum: true, cancel: Some(cancel) };
    let mut progress = Progress::new("exported");
    let exported =
        image_format::export(&mut source, &arguments.output, &options, &mut |done, all| progress.at(done, all))?;
    drop(progress);
    terminal::print(&summary(arguments, &exported))
}

fn summary(arguments: &Arguments, exported: &Exported) -> String {
    let layer = arguments.snapshot.as_ref().map_or_else(|| "the head".to_owned(), |name| format!("snapshot {name}"));
    let sha256 = exported.sha256.as_deref().unwrap_or("unknown");
    format!(
        "exported {layer} to {}\n  format   {}\n  size     {} ({} bytes)\n  written  {}\n  sha256   {sha256}\n",
        arguments.output.display(),
        arguments.format,
        ByteSize(exported.size),
        exported.size,
        ByteSize(exported.bytes_written),
    )
}

/// What may make the image other than what was meant goes to the terminal, not into the result.
fn warn(structure: &Structure) {
    let doubtful = structure
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Note && finding.kind != FindingKind::ForeignFile);
    for finding in doubtful {
        let mark = if finding.severity == Severity::Problem { "problem" } else { "warning" };
        terminal::tell(&format!("{mark}: {}: {}", finding.file, finding.what));
    }
}

/// The directory is only read.
fn refuse_output_inside(directory: &Path, output: &Path) -> Result<(), ProgramError> {
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), directory.canonicalize()) {
        (Ok(parent), Ok(directory)) if parent.starts_with(&directory) => Err(ProgramError::Usage(format!(
            "the image may not be written into the replica directory {}; choose another place",
            directory.display()
        ))),
        _ => Ok(()),
    }
}
