//! Backups of backing images.

use aurochs_api::backup::BackupState;
use aurochs_api::backup_backing_image::{BackingImageRestoreInput, BackupBackingImage, BackupBackingImageRestore};
use aurochs_api::schema::Resource;
use clap::Args;
use serde_json::Value;

use crate::client::api::Seen;
use crate::client::failure::Failure;
use crate::client::list::Listed;
use crate::client::progress::Progress;
use crate::client::table::{Cell, Column, Tone};
use crate::client::wait::{Look, Patience};
use crate::client::{Client, Run, age};

#[derive(Debug, Args)]
pub struct Restore {
    /// Name of the backup, as `backing-image backups` tells it
    backup: String,
}

impl Listed for BackupBackingImage {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("IMAGE"),
        Column::text("TARGET"),
        Column::text("STATE"),
        Column::number("SIZE"),
        Column::number("CREATED"),
        Column::text("ERROR").spare(),
    ];
    const NONE: &'static str = "There are no backups of backing images.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let backup = &thing.data;
        vec![
            backup.name.clone().into(),
            backup.backing_image_name.clone().into(),
            backup.backup_target_name.clone().into(),
            state(backup),
            backup.size.to_string().into(),
            age::short(&backup.created).into(),
            backup.error.clone().into(),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let backup = &thing.data;
        vec![
            ("Name", backup.name.clone()),
            ("Image", backup.backing_image_name.clone()),
            ("Target", backup.backup_target_name.clone()),
            ("URL", backup.url.clone()),
            ("Size", backup.size.to_string()),
            ("Created", age::long(&backup.created)),
            ("Error", backup.error.clone()),
        ]
    }
}

fn state(backup: &BackupBackingImage) -> Cell {
    match backup.state {
        BackupState::Completed => Cell::new("complete", Tone::Good),
        BackupState::Error => Cell::new("failed", Tone::Bad),
        BackupState::InProgress => Cell::new(format!("sending {} %", backup.progress), Tone::Warning),
        BackupState::New | BackupState::Pending => Cell::new("waits", Tone::Warning),
        BackupState::Deleting => Cell::new("deleting", Tone::Dim),
        BackupState::Unknown => Cell::new("not complete", Tone::Dim),
    }
}

impl Run for Restore {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let backup = client.api.get::<BackupBackingImage>(&self.backup).await?;
        let image = &backup.thing.data.backing_image_name;
        client.api.act::<BackupBackingImageRestore>(&self.backup, &BackingImageRestoreInput::default()).await?;
        client.output.done(&Value::Null, image, &format!("Backing image {image} is being restored."))
    }
}

/// Until the backup of an image is in its target.
pub(super) async fn until_made(
    client: &Client,
    image: &str,
    target: &str,
    patience: &Patience,
) -> Result<Seen<BackupBackingImage>, Failure> {
    let what = format!("backing up backing image {image}");
    let look = async || {
        let all = client.api.list::<BackupBackingImage>().await?;
        let is_it =
            |backup: &BackupBackingImage| backup.backing_image_name == image && backup.backup_target_name == target;
        let Some(now) = all.into_iter().find(|seen| is_it(&seen.thing.data)) else {
            return Ok(Look::GoesOn(Progress::at(&*what)));
        };
        let backup = &now.thing.data;
        match backup.state {
            BackupState::Completed => Ok(Look::Done(now)),
            BackupState::Error => Err(Failure::refused(format!("{what} failed: {}", backup.error), "")),
            _ => Ok(Look::GoesOn(Progress { percent: Some(backup.progress.into()), ..Progress::at(&*what) })),
        }
    };
    patience.until(&what, look).await
}
