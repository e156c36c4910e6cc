//! `aurochs-engine backup restore-to-file`: a backup as an image file.

use std::path::PathBuf;

use aurochs_api::size::ByteSize;
use clap::Args;

use super::super::ProgramError;
use super::super::terminal;
use super::target::{TargetArguments, with_progress};
use crate::backup::Progress;
use crate::backup::image::{ImageRequest, restore_to_file};
use crate::image_format::Format;

/// Writes a backup to an image file, every block checked.
///
/// The image is sparse, complete or not there at all, and its SHA-256 (of the content, whatever the format) is printed.
/// It has the size that the volume had at its last backup; what an older, smaller one did not have is zeros.
///
/// A volume that stands on a backing image needs it: its backups hold only blocks that were written. Name the image's
/// file with --backing-file, and the result is the whole volume, written zeros included. Ends with 1 when it is not
/// possible, and with 2 when the target cannot be used.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine backup restore-to-file <url> --output volume.img
  aurochs-engine backup restore-to-file <url> --output volume.qcow2 --format qcow2 --backing-file ubuntu.qcow2
  mount -o loop,ro volume.img /mnt")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// The file to write.
    #[arg(long, short, alias = "output-file")]
    output: PathBuf,
    /// raw or qcow2.
    #[arg(long, default_value = "raw", alias = "output-format")]
    format: Format,
    /// Image under the volume, raw or qcow2.
    #[arg(long, value_name = "FILE")]
    backing_file: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let (volume, backup) = arguments.target.backup()?;
    let request = ImageRequest {
        volume: volume.to_owned(),
        backup: backup.to_owned(),
        output: arguments.output.clone(),
        format: arguments.format,
        overwrite: arguments.force,
        checksum: true,
        backing_file: arguments.backing_file.clone(),
    };
    let store = arguments.target.open().await?;
    let progress = Progress::default();
    let exported = with_progress("restored", &progress, restore_to_file(&store, &request, &progress)).await?;
    let sha256 = exported.sha256.as_deref().unwrap_or("unknown");
    terminal::print(&format!(
        "restored {backup} of {volume} to {}\n  format   {}\n  size     {} ({} bytes)\n  written  {}\n  sha256   {sha256}\n",
        arguments.output.display(),
        arguments.format,
        ByteSize(exported.size),
        exported.size,
        ByteSize(exported.bytes_written),
    ))
}
