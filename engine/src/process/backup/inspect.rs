//! `aurochs-engine backup inspect`: one backup, or one backup volume.

use std::collections::BTreeSet;

use aurochs_api::size::ByteSize;
use clap::Args;
use serde_json::json;

use super::super::ProgramError;
use super::super::terminal::{self, Look, Paint};
use super::target::TargetArguments;
use crate::backup::{BackupRecord, VolumeRecord};

/// Shows what is recorded of a backup: snapshot, times, sizes, labels, blocks.
///
/// Reads no block; `verify` does. A backup that is being made, or died, has nothing to show and is an error. Ends with
/// 1 then, and with 2 when the target cannot be used.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine backup inspect 'vfs:///mnt/backups?backup=backup-0a1b&volume=pvc-1f2e'
  aurochs-engine backup inspect --json <url> | jq '.blocks[0]'

Keys of the JSON: name, volume, url, snapshot, started, created, restored_size_bytes, size_bytes, block_size_bytes,
is_incremental, compression, newly_uploaded_bytes, reuploaded_bytes, labels, parameters, backing_image {name, checksum},
storage_class, different_blocks, blocks [{offset, checksum}].")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Print JSON, with the list of blocks, instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments) -> Result<(), ProgramError> {
    let (volume_name, name) = arguments.target.backup()?;
    crate::backup::names::check("volume", volume_name)?;
    crate::backup::names::check("backup", name)?;
    let store = arguments.target.open().await?;
    let volume = VolumeRecord::load(&store, volume_name).await?;
    let record = BackupRecord::load_complete(&store, volume_name, name).await?;
    let entries = record.blocks.entries();
    let different = entries.iter().map(|entry| entry.checksum).collect::<BTreeSet<_>>().len();
    if arguments.json {
        let blocks: Vec<_> = entries
            .iter()
            .map(|entry| json!({"offset": entry.offset, "checksum": entry.checksum.to_string()}))
            .collect();
        return terminal::print_json(&json!({
            "name": record.name,
            "volume": volume.name,
            "url": arguments.target.url.to_string(),
            "snapshot": record.snapshot_name,
            "started": record.snapshot_created_at,
            "created": record.created_time,
            "restored_size_bytes": volume.size,
            "size_bytes": record.size,
            "block_size_bytes": record.block_size()?,
            "is_incremental": record.is_incremental,
            "compression": record.compression()?.as_str(),
            "newly_uploaded_bytes": record.newly_uploaded_data_size,
            "reuploaded_bytes": record.re_uploaded_data_size,
            "labels": record.labels,
            "parameters": record.parameters,
            "backing_image": {"name": volume.backing_image_name, "checksum": volume.backing_image_checksum},
            "storage_class": volume.storage_class_name,
            "different_blocks": different,
            "blocks": blocks,
        }));
    }
    let paint = Paint::for_stdout();
    let size = |bytes: u64| format!("{} ({bytes} bytes)", ByteSize(bytes));
    let labels: Vec<String> = record.labels.iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
    let mut rows = vec![
        ("volume", volume.name.clone()),
        ("snapshot", record.snapshot_name.clone()),
        ("started", record.snapshot_created_at.clone()),
        ("complete", record.created_time.clone()),
        ("restores to", size(volume.size)),
        ("data", size(record.size)),
        ("blocks", format!("{} of {}, {different} different", entries.len(), ByteSize(record.block_size()?))),
        ("kind", if record.is_incremental { "incremental" } else { "full" }.to_owned()),
        ("compression", record.compression()?.to_string()),
        ("new data", size(record.newly_uploaded_data_size)),
    ];
    if record.re_uploaded_data_size > 0 {
        rows.push(("stored again", size(record.re_uploaded_data_size)));
    }
    if !volume.backing_image_name.is_empty() {
        rows.push(("backing image", format!("{} ({})", volume.backing_image_name, volume.backing_image_checksum)));
    }
    if !labels.is_empty() {
        rows.push(("labels", labels.join(" ")));
    }
    let mut text = format!("{} {}\n", paint.paint(Look::Heading, "Backup"), record.name);
    for (name, value) in rows {
        text.push_str(&format!("  {name:13} {value}\n"));
    }
    terminal::print(&text)
}
