//! `aurochs replica`: the copies of a volume's data. They have no addresses of their own; their volume tells of them.

use aurochs_api::replica::{Replica, ReplicaMode};
use aurochs_api::volume::inputs::ReplicaRemoveInput;
use aurochs_api::volume::{Volume, actions};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::confirm::Confirmation;
use super::failure::Failure;
use super::output::Format;
use super::table::{Cell, Column, Tone};
use super::{Client, Run, age};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the replicas of one volume, or of all
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Give up one replica; a new one is made if the volume wants more
    #[command(visible_alias = "delete")]
    Rm(Remove),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs replica ls data
  aurochs replica ls -o json")]
pub struct Ls {
    /// Name of the volume
    volume: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs replica rm data data-r-0a1b2c3d")]
pub struct Remove {
    /// Name of the volume
    volume: String,
    /// Name of the replica
    replica: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) const COLUMNS: &[Column] = &[
    Column::text("REPLICA"),
    Column::text("MODE"),
    Column::text("NODE"),
    Column::text("FAILED"),
    Column::text("DIRECTORY").spare(),
];

pub(super) fn row(replica: &Replica) -> Vec<Cell> {
    let (mode, tone) = match (replica.mode, replica.failed_at.is_empty()) {
        (ReplicaMode::ReadWrite, _) => ("in use", Tone::Good),
        (ReplicaMode::WriteOnly, _) => ("rebuilding", Tone::Warning),
        (ReplicaMode::Error, _) | (ReplicaMode::None, false) => ("failed", Tone::Bad),
        (ReplicaMode::None, true) if replica.host_id.is_empty() => ("no place", Tone::Warning),
        (ReplicaMode::None, true) if replica.running => ("running", Tone::Plain),
        (ReplicaMode::None, true) => ("stopped", Tone::Dim),
    };
    let failed =
        if replica.failed_at.is_empty() { String::new() } else { format!("{} ago", age::short(&replica.failed_at)) };
    vec![
        replica.name.clone().into(),
        Cell::new(mode, tone),
        replica.host_id.clone().into(),
        failed.into(),
        replica.data_path.clone().into(),
    ]
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(verb) => verb.run(client).await,
            Self::Rm(verb) => verb.run(client).await,
        }
    }
}

impl Run for Ls {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let volumes = match &self.volume {
            Some(name) => vec![client.api.get::<Volume>(name).await?],
            None => client.api.list::<Volume>().await?,
        };
        let replicas = volumes.iter().flat_map(|seen| &seen.thing.data.replicas);
        match client.output.format {
            Format::Json => {
                let raw = volumes.iter().filter_map(|seen| seen.raw.get("replicas")?.as_array()).flatten();
                client.output.json(&raw.collect::<Vec<&Value>>())
            }
            Format::Name => {
                client.output.write(&replicas.map(|replica| format!("{}\n", replica.name)).collect::<String>())
            }
            Format::Table => client.output.table(COLUMNS, replicas.map(row).collect()),
        }
    }
}

impl Run for Remove {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let (volume, replica) = (&self.volume, &self.replica);
        self.confirmation
            .ask(&format!("Replica {replica} of volume {volume} is deleted with its copy of the data."))?;
        let input = ReplicaRemoveInput { name: replica.clone() };
        let answer = client.api.act::<actions::ReplicaRemove>(volume, &input).await?;
        client.output.done(&answer, replica, &format!("Replica {replica} of volume {volume} is given up."))
    }
}
