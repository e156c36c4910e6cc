//! `aurochs volume rm`

use aurochs_api::snapshot::SnapshotCr;
use aurochs_api::volume::{Robustness, Volume, actions};
use clap::Args;
use serde_json::Value;

use super::follow::until_gone;
use super::row;
use crate::client::api::{Seen, all_of};
use crate::client::confirm::Confirmation;
use crate::client::failure::Failure;
use crate::client::wait::{MOMENTS, Waiting};
use crate::client::{Client, Run, age};
use aurochs_api::action::NoInput;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs volume rm data
  aurochs volume rm data --yes --no-wait")]
pub struct Remove {
    /// Name of the volume
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    waiting: Waiting,
}

impl Run for Remove {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        let seen = client.api.get::<Volume>(name).await?;
        self.confirmation.ask(&loss(client, &seen).await)?;
        client.api.delete::<Volume>(name).await?;
        if !self.waiting.is_wanted() {
            return client.output.done(&Value::Null, name, &format!("Volume {name} is to be deleted."));
        }
        until_gone(client, name, &self.waiting.patience().or(MOMENTS)).await?;
        client.output.done(&Value::Null, name, &format!("Volume {name} is deleted."))
    }
}

/// What is lost with it, as far as it can be said.
async fn loss(client: &Client, seen: &Seen<Volume>) -> String {
    let volume = &seen.thing.data;
    let snapshots = if volume.robustness == Robustness::Faulted { None } else { snapshots(client, volume).await };
    let snapshots = match snapshots {
        Some(0) => " It has no snapshots.".to_owned(),
        Some(count) => format!(" With it go {count} snapshots."),
        None => String::new(),
    };
    let backup = if volume.last_backup.is_empty() {
        " It has no backup.".to_owned()
    } else {
        format!(" Its last backup is {}.", age::long(&volume.last_backup_at))
    };
    format!(
        "Volume {} ({}, {}, {}) is deleted with all its data; nothing brings it back.{snapshots}{backup}",
        volume.name,
        volume.size,
        row::state(volume.state),
        volume.actual_size(),
    )
}

async fn snapshots(client: &Client, volume: &Volume) -> Option<usize> {
    let list = client.api.act::<actions::SnapshotCrList>(&volume.name, &NoInput {}).await.ok()?;
    all_of::<SnapshotCr>(list).ok().map(|all| all.len())
}
