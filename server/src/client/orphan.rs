//! `aurochs orphan`

use aurochs_api::cause::Cause;
use aurochs_api::orphan::{Orphan, OrphanType};
use aurochs_api::schema::Resource;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::confirm::Confirmation;
use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::table::{Cell, Column};
use super::{Client, Run, causes};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List orphans
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs orphan ls")]
    Ls(List),
    /// Show one orphan
    #[command(after_help = "Example:\n  aurochs orphan show orphan-0a1b2c3d")]
    Show(Show),
    /// Delete an orphan with what it stands for: the data of a replica, or a process
    #[command(visible_alias = "delete", after_help = "Example:\n  aurochs orphan rm orphan-0a1b2c3d")]
    Rm(Remove),
}

#[derive(Debug, Args)]
pub struct Remove {
    /// Name of the orphan
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl Listed for Orphan {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("TYPE"),
        Column::text("NODE"),
        Column::text("WHAT"),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "There are no orphans.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let orphan = &thing.data;
        vec![
            orphan.name.clone().into(),
            kind(orphan.orphan_type).into(),
            orphan.node_id.clone().into(),
            what(orphan).into(),
            causes::cell(&orphan.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let orphan = &thing.data;
        let parameters = orphan.parameters.iter().map(|(key, value)| format!("{key} {value}"));
        vec![
            ("Name", orphan.name.clone()),
            ("Type", kind(orphan.orphan_type).to_owned()),
            ("Node", orphan.node_id.clone()),
            ("What", what(orphan)),
            ("Details", parameters.collect::<Vec<_>>().join(", ")),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

const fn kind(kind: OrphanType) -> &'static str {
    match kind {
        OrphanType::Replica => "replica data",
        OrphanType::EngineInstance => "engine process",
        OrphanType::ReplicaInstance => "replica process",
        OrphanType::ShardInstance => "shard process",
        OrphanType::ShardGroupInstance => "shard group process",
    }
}

/// The directory, or the process.
fn what(orphan: &Orphan) -> String {
    let of = |key: &str| orphan.parameters.get(key).map(String::as_str).unwrap_or_default();
    match of("DataName") {
        "" => of("InstanceName").to_owned(),
        data => format!("{}/replicas/{data}", of("DiskPath").trim_end_matches('/')),
    }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<Orphan>(client).await,
            Self::Show(show) => show.one::<Orphan>(client).await,
            Self::Rm(Remove { name, confirmation }) => {
                let seen = client.api.get::<Orphan>(&name).await?;
                let orphan = &seen.thing.data;
                confirmation.ask(&format!(
                    "The {} {} on {} is deleted; nothing brings it back.",
                    kind(orphan.orphan_type),
                    what(orphan),
                    orphan.node_id
                ))?;
                client.api.delete::<Orphan>(&name).await?;
                client.output.done(&Value::Null, &name, &format!("Orphan {name} is deleted."))
            }
        }
    }
}
