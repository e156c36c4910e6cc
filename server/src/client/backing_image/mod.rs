//! `aurochs backing-image`: what volumes stand on, and its backups.

mod backups;
mod create;
mod file;

use std::path::PathBuf;

use aurochs_api::backing_image::{
    BackingImage, BackingImageCleanup, BackingImageCleanupInput, BackupBackingImageCreate,
    BackupBackingImageCreateInput, FileState, UpdateMinNumberOfCopies, UpdateMinNumberOfCopiesInput,
};
use aurochs_api::backup_backing_image::BackupBackingImage;
use aurochs_api::cause::Cause;
use aurochs_api::schema::Resource;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::seen;
use super::confirm::Confirmation;
use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::table::{Cell, Column, Tone};
use super::wait::Patience;
use super::{Client, Run, causes};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List backing images
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs backing-image ls")]
    Ls(List),
    /// Show one backing image with its copies
    #[command(after_help = "Example:\n  aurochs backing-image show debian")]
    Show(Show),
    /// Make a backing image of a download, a file, a volume, another image or a backup
    Create(Box<create::Create>),
    /// Send a file to a backing image that waits for one
    #[command(after_help = "Example:\n  aurochs backing-image upload debian debian-12.qcow2")]
    Upload(Named),
    /// Write the file of a backing image here
    #[command(after_help = "Example:\n  aurochs backing-image download debian debian.img")]
    Download(Named),
    /// Say how many copies there are at least
    #[command(after_help = "Example:\n  aurochs backing-image set debian --copies 2")]
    Set(Set),
    /// Take copies from disks that need none
    #[command(after_help = "Example:\n  aurochs backing-image clean-up debian 2f6c1f1e-7a39-4a57-8b5e-5f2f3a6c1d20")]
    CleanUp(CleanUp),
    /// Delete a backing image that no volume stands on
    #[command(visible_alias = "delete", after_help = "Example:\n  aurochs backing-image rm debian --yes")]
    Rm(Remove),
    /// Back a backing image up
    #[command(after_help = "Example:\n  aurochs backing-image back-up debian --target default")]
    BackUp(BackUp),
    /// List backups of backing images
    #[command(after_help = "Example:\n  aurochs backing-image backups")]
    Backups(List),
    /// Make a backing image of its backup
    #[command(after_help = "Example:\n  aurochs backing-image restore debian-1a2b3c4d")]
    Restore(backups::Restore),
    /// Delete the backup of a backing image
    #[command(after_help = "Example:\n  aurochs backing-image rm-backup debian-1a2b3c4d --yes")]
    RmBackup(Remove),
}

#[derive(Debug, Args)]
pub struct Named {
    /// Name of the backing image
    name: String,
    /// The file
    file: PathBuf,
}

#[derive(Debug, Args)]
pub struct Set {
    /// Name of the backing image
    name: String,
    /// How many disks have it at least
    #[arg(long, value_name = "COUNT")]
    copies: u32,
}

#[derive(Debug, Args)]
pub struct CleanUp {
    /// Name of the backing image
    name: String,
    /// UUIDs of disks, as `show` tells them
    #[arg(required = true)]
    disks: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Remove {
    /// Its name
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(Debug, Args)]
pub struct BackUp {
    /// Name of the backing image
    name: String,
    /// Name of the backup target
    #[arg(long, default_value = "default")]
    target: String,
    #[command(flatten)]
    patience: Patience,
}

fn ready(image: &BackingImage) -> usize {
    image.disk_file_status_map.values().filter(|copy| copy.state == FileState::Ready).count()
}

/// The furthest of its copies.
fn state(image: &BackingImage) -> Cell {
    if ready(image) > 0 {
        return Cell::new("ready", Tone::Good);
    }
    let states = || image.disk_file_status_map.values().map(|copy| copy.state);
    match states().next() {
        _ if states().any(|state| state == FileState::InProgress) => Cell::new("in-progress", Tone::Warning),
        Some(FileState::Failed) => Cell::new("failed", Tone::Bad),
        Some(state) => Cell::new(state.word(), Tone::Warning),
        None => Cell::new("pending", Tone::Warning),
    }
}

impl Listed for BackingImage {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("STATE"),
        Column::number("SIZE"),
        Column::number("VIRTUAL SIZE"),
        Column::number("COPIES"),
        Column::text("CREATED FROM"),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "There are no backing images.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let image = &thing.data;
        vec![
            image.name.clone().into(),
            state(image),
            image.size.to_string().into(),
            image.virtual_size.to_string().into(),
            format!("{}/{}", ready(image), image.min_number_of_copies).into(),
            create::word(image.source_type).into(),
            causes::cell(&image.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let image = &thing.data;
        let parameters = image.parameters.iter().map(|(key, value)| format!("{key}={value}"));
        let copies = image.disk_file_status_map.iter().map(|(disk, copy)| {
            let more =
                if copy.state == FileState::InProgress { format!(" {} %", copy.progress) } else { String::new() };
            let why = if copy.message.is_empty() { String::new() } else { format!(" ({})", copy.message) };
            format!("{disk} {}{more}{why}", copy.state.word())
        });
        vec![
            ("Name", image.name.clone()),
            ("UUID", image.uuid.clone()),
            ("Size", image.size.to_string()),
            ("Virtual size", image.virtual_size.to_string()),
            ("SHA-512", image.current_checksum.clone()),
            ("Created from", create::word(image.source_type).to_owned()),
            ("Parameters", parameters.collect::<Vec<_>>().join(", ")),
            ("Minimum copies", image.min_number_of_copies.to_string()),
            ("Node tags", image.node_selector.join(", ")),
            ("Disk tags", image.disk_selector.join(", ")),
            ("Disks", copies.collect::<Vec<_>>().join("; ")),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<BackingImage>(client).await,
            Self::Show(show) => show.one::<BackingImage>(client).await,
            Self::Create(verb) => verb.run(client).await,
            Self::Upload(Named { name, file }) => {
                let size = file::upload(client, &name, &file).await?;
                client.output.done(&Value::Null, &name, &format!("Backing image {name} has {size}."))
            }
            Self::Download(Named { name, file }) => {
                let size = file::download(client, &name, &file).await?;
                client.output.done(&Value::Null, &name, &format!("{} has {size}.", file.display()))
            }
            Self::Set(Set { name, copies }) => {
                let input = UpdateMinNumberOfCopiesInput { min_number_of_copies: copies };
                let changed = client.api.act::<UpdateMinNumberOfCopies>(&name, &input).await?;
                let changed = seen::<BackingImage>(changed)?;
                client.output.done(&changed.raw, &name, &format!("Backing image {name} has {copies} copies at least."))
            }
            Self::CleanUp(CleanUp { name, disks }) => {
                let changed = client.api.act::<BackingImageCleanup>(&name, &BackingImageCleanupInput { disks }).await?;
                client.output.done(&changed, &name, &format!("Copies of backing image {name} are to go."))
            }
            Self::Rm(Remove { name, confirmation }) => {
                confirmation.ask(&format!("Backing image {name} is deleted from all disks."))?;
                client.api.delete::<BackingImage>(&name).await?;
                client.output.done(&Value::Null, &name, &format!("Backing image {name} is to be deleted."))
            }
            Self::BackUp(BackUp { name, target, patience }) => {
                let input = BackupBackingImageCreateInput { backup_target_name: target.clone() };
                client.api.act::<BackupBackingImageCreate>(&name, &input).await?;
                let made = backups::until_made(client, &name, &target, &patience).await?;
                let backup = &made.thing.data.name;
                client.output.done(&made.raw, backup, &format!("Backing image {name} is backed up as {backup}."))
            }
            Self::Backups(list) => list.all::<BackupBackingImage>(client).await,
            Self::Restore(verb) => verb.run(client).await,
            Self::RmBackup(Remove { name, confirmation }) => {
                confirmation.ask(&format!("Backup {name} is removed from its target."))?;
                client.api.delete::<BackupBackingImage>(&name).await?;
                client.output.done(&Value::Null, &name, &format!("Backup {name} is to be removed."))
            }
        }
    }
}
