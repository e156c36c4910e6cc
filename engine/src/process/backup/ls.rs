//! `aurochs-engine backup ls`: the volumes of a target, or the backups of a volume.

use std::collections::BTreeMap;

use aurochs_api::size::ByteSize;
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::super::ProgramError;
use super::super::terminal::{self, Look, Paint};
use super::target::TargetArguments;
use crate::backup::{self, BackupError, BackupSummary, BackupUrl, ListedBackup, Read, ReadVolume, Store, VolumeRecord};

/// Records that are read at the same time.
const CONCURRENCY: usize = 16;

/// Lists the backup volumes of a target; with ?volume=… behind it, the backups of that volume.
///
/// What is damaged is listed with what is wrong, and does not stop the rest. A backup without a time of completion is
/// being made, or died. Ends with 0 also then, and with 2 when the target cannot be used.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine backup ls vfs:///mnt/backups
  aurochs-engine backup ls 'vfs:///mnt/backups?volume=pvc-1f2e'
  aurochs-engine backup ls --json 's3://b@r/?volume=pvc-1f2e' | jq -r '.backups[] | select(.state == \"complete\").url'

Keys of the JSON: without a volume, volumes [{name, url, error, size_bytes, block_count, compression, created,
last_backup, last_backup_at, backing_image, labels}]; with one, backups [{name, url, state (complete, in_progress,
damaged), error, snapshot, started, created, size_bytes, block_size_bytes, blocks, is_incremental, compression,
newly_uploaded_bytes, reuploaded_bytes, labels, parameters}]. What is not known is null or empty.")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// A volume in the list.
#[derive(Debug, Default, Serialize)]
struct VolumeRow {
    name: String,
    url: String,
    error: Option<String>,
    size_bytes: Option<u64>,
    block_count: Option<u64>,
    compression: String,
    created: String,
    last_backup: String,
    last_backup_at: String,
    backing_image: String,
    labels: BTreeMap<String, String>,
}

/// A backup in the list.
#[derive(Debug, Default, Serialize)]
struct BackupRow {
    name: String,
    url: String,
    state: &'static str,
    error: Option<String>,
    snapshot: String,
    started: String,
    created: String,
    size_bytes: Option<u64>,
    block_size_bytes: Option<u64>,
    blocks: Option<u64>,
    is_incremental: Option<bool>,
    compression: String,
    newly_uploaded_bytes: Option<u64>,
    reuploaded_bytes: Option<u64>,
    labels: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Volumes<'rows> {
    volumes: &'rows [VolumeRow],
}

#[derive(Serialize)]
struct Backups<'rows> {
    backups: &'rows [BackupRow],
}

pub(super) async fn run(arguments: &Arguments) -> Result<(), ProgramError> {
    let store = arguments.target.open().await?;
    let Some(volume) = &arguments.target.url.volume else {
        let rows = volumes(&store, arguments).await?;
        return if arguments.json {
            terminal::print_json(&Volumes { volumes: &rows })
        } else {
            terminal::print(&volumes_text(&rows, Paint::for_stdout()))
        };
    };
    let listed = backup::list_backups(&store, volume, &BTreeMap::new()).await?;
    if listed.is_empty() {
        // An empty list of a volume that is not there would say that it has none.
        VolumeRecord::load(&store, volume).await?;
    }
    let url = |name: &str| BackupUrl::backup(arguments.target.url.target.clone(), volume, name).to_string();
    let rows: Vec<BackupRow> = listed.into_iter().map(|backup| row_of(url(&backup.name), backup)).collect();
    if arguments.json {
        return terminal::print_json(&Backups { backups: &rows });
    }
    terminal::print(&backups_text(&rows, Paint::for_stdout()))
}

async fn volumes(store: &Store, arguments: &Arguments) -> Result<Vec<VolumeRow>, BackupError> {
    let names = backup::list_volumes(store).await?;
    let rows = stream::iter(names).map(|name| async move {
        let url = BackupUrl::volume(arguments.target.url.target.clone(), &name).to_string();
        let read = backup::read_volume(store, &name, None).await?;
        Ok::<_, BackupError>(volume_row(name, url, read))
    });
    rows.buffered(CONCURRENCY).try_collect().await
}

fn volume_row(name: String, url: String, read: ReadVolume) -> VolumeRow {
    match read.record {
        Read::Is(record) => VolumeRow {
            name,
            url,
            error: None,
            size_bytes: Some(record.size),
            block_count: Some(record.block_count),
            compression: record.compression().map(|compression| compression.to_string()).unwrap_or_default(),
            created: record.created_time,
            last_backup: record.last_backup_name,
            last_backup_at: record.last_backup_at,
            backing_image: record.backing_image_name,
            labels: record.labels.unwrap_or_default(),
        },
        Read::Damaged(error) => VolumeRow { name, url, error: Some(error.to_string()), ..VolumeRow::default() },
        Read::Unchanged => VolumeRow { name, url, ..VolumeRow::default() },
    }
}

fn row_of(url: String, backup: ListedBackup) -> BackupRow {
    let name = backup.name;
    match backup.record {
        Read::Is(summary) => summary_row(name, url, summary),
        Read::Damaged(error) => {
            BackupRow { name, url, state: "damaged", error: Some(error.to_string()), ..BackupRow::default() }
        }
        Read::Unchanged => BackupRow { name, url, ..BackupRow::default() },
    }
}

fn summary_row(name: String, url: String, summary: BackupSummary) -> BackupRow {
    BackupRow {
        name,
        url,
        state: if summary.is_in_progress() { "in_progress" } else { "complete" },
        error: None,
        snapshot: summary.snapshot,
        started: summary.snapshot_created_at,
        created: summary.created,
        size_bytes: Some(summary.size),
        block_size_bytes: Some(summary.block_size),
        blocks: Some(summary.blocks),
        is_incremental: Some(summary.is_incremental),
        compression: summary.compression_method,
        newly_uploaded_bytes: Some(summary.newly_uploaded_bytes),
        reuploaded_bytes: Some(summary.reuploaded_bytes),
        labels: summary.labels,
        parameters: summary.parameters,
    }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

fn bytes(size: Option<u64>) -> String {
    size.map_or_else(|| "-".to_owned(), |size| ByteSize(size).to_string())
}

fn volumes_text(rows: &[VolumeRow], paint: Paint) -> String {
    if rows.is_empty() {
        return "no backup volumes\n".to_owned();
    }
    let headings = ["VOLUME", "SIZE", "BLOCKS", "COMPRESSION", "LAST BACKUP", "STARTED", "REMARK"];
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.name.clone(),
                bytes(row.size_bytes),
                row.block_count.map_or_else(|| "-".to_owned(), |count| count.to_string()),
                or_dash(&row.compression),
                or_dash(&row.last_backup),
                or_dash(&row.last_backup_at),
                row.error.as_deref().map(|error| paint.paint(Look::Bad, error)).unwrap_or_default(),
            ]
        })
        .collect();
    terminal::table(&headings, &cells, paint)
}

fn backups_text(rows: &[BackupRow], paint: Paint) -> String {
    if rows.is_empty() {
        return "no backups\n".to_owned();
    }
    let headings = ["BACKUP", "STATE", "STARTED", "SIZE", "NEW DATA", "KIND", "SNAPSHOT", "REMARK"];
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let kind = match row.is_incremental {
                Some(true) => "incremental",
                Some(false) if row.state == "complete" => "full",
                _ => "-",
            };
            vec![
                row.name.clone(),
                row.state.replace('_', " "),
                or_dash(&row.started),
                bytes(row.size_bytes),
                bytes(row.newly_uploaded_bytes),
                kind.to_owned(),
                or_dash(&row.snapshot),
                row.error.as_deref().map(|error| paint.paint(Look::Bad, error)).unwrap_or_default(),
            ]
        })
        .collect();
    terminal::table(&headings, &cells, paint)
}
