//! `aurochs-engine backup create`: a backup of a snapshot in a replica directory that nobody serves.

use std::path::PathBuf;

use aurochs_api::size::ByteSize;
use clap::Args;

use super::super::ProgramError;
use super::super::terminal;
use super::target::{TargetArguments, with_progress};
use crate::backup::block::Compression;
use crate::backup::create::DEFAULT_BLOCK_SIZE;
use crate::backup::offline_source::OfflineSource;
use crate::backup::{CreateRequest, Mode, Progress, create, names};

/// Backs up a snapshot of a volume from one replica directory.
///
/// For volumes of which nothing else is left, or without a cluster. The directory is only read; one that a replica
/// serves is refused. Blocks that the target has are not stored again, so an interrupted backup goes on when the same
/// command is given with the same --name. Longhorn and Aurochs restore it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine backup create <dir> --snapshot daily 'vfs:///mnt/backups?volume=pvc-1f2e'
  aurochs-engine backup create <dir> --snapshot daily 's3://b@r/?volume=pvc-1f2e' --name monday --label why=rescue")]
pub(super) struct Arguments {
    /// Directory with volume.meta and the images.
    directory: PathBuf,
    #[command(flatten)]
    target: TargetArguments,
    /// Name of the snapshot.
    #[arg(long)]
    snapshot: String,
    /// Name of the backup; without it, one by chance.
    #[arg(long)]
    name: Option<String>,
    /// KEY=VALUE; may be given more than once.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// none, gzip or lz4, for the first backup of a volume.
    #[arg(long, default_value = "lz4")]
    compression: Compression,
    /// Bytes of a block, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_BLOCK_SIZE >> 20, value_parser = clap::value_parser!(u64).range(1..=64))]
    block_size: u64,
    /// Store every block again, also where the target has it.
    #[arg(long)]
    full: bool,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not KEY=VALUE")),
    }
}

pub(super) async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let volume = arguments.target.volume()?.to_owned();
    let (directory, snapshot) = (arguments.directory.clone(), arguments.snapshot.clone());
    let source = tokio::task::spawn_blocking(move || OfflineSource::open(&directory, &snapshot))
        .await
        .map_err(|error| ProgramError::Io { what: "open the snapshot".to_owned(), source: error.into() })??;
    let mut labels = source.labels(&arguments.snapshot);
    labels.extend(arguments.labels.iter().cloned());
    let request = CreateRequest {
        volume,
        backup: arguments.name.clone().unwrap_or_else(names::random_backup),
        snapshot: arguments.snapshot.clone(),
        size: source.volume_size(),
        labels,
        compression: arguments.compression,
        block_size: arguments.block_size << 20,
        mode: if arguments.full { Mode::Full } else { Mode::Incremental },
        backing_image_name: String::new(),
        backing_image_checksum: String::new(),
        storage_class: String::new(),
        concurrency: 0,
    };
    let store = arguments.target.open().await?;
    let progress = Progress::default();
    let created = with_progress("backed up", &progress, create(&store, &request, &source, &progress)).await?;
    let kind = if created.is_incremental { "incremental" } else { "full" };
    terminal::print(&format!(
        "made backup {} ({kind})\n  data      {}\n  read      {}\n  new data  {} in {} blocks\n",
        created.backup,
        ByteSize(created.size),
        ByteSize(created.read_bytes),
        ByteSize(created.newly_uploaded_bytes),
        created.new_blocks,
    ))
}
