//! `aurochs instance-manager`

use aurochs_api::cause::Cause;
use aurochs_api::instance_manager::{InstanceManager, InstanceProcess};
use aurochs_api::schema::Resource;
use clap::Subcommand;

use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::output::Format;
use super::table::{Cell, Column, Tone};
use super::{Client, Run, causes};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List instance managers
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs instance-manager ls")]
    Ls(List),
    /// Show one instance manager with its processes
    #[command(after_help = "Example:\n  aurochs instance-manager show instance-manager-node-1")]
    Show(Show),
}

const PROCESSES: &[Column] = &[
    Column::text("PROCESS"),
    Column::text("TYPE"),
    Column::text("STATE"),
    Column::number("PID"),
    Column::text("ADDRESS"),
    Column::text("ERROR"),
];

impl Listed for InstanceManager {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("STATE"),
        Column::text("NODE"),
        Column::number("ENGINES"),
        Column::number("REPLICAS"),
        Column::text("IMAGE").wide(),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "There are no instance managers.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let manager = &thing.data;
        vec![
            manager.name.clone().into(),
            state(&manager.current_state),
            manager.node_id.clone().into(),
            manager.instance_engines.len().to_string().into(),
            manager.instance_replicas.len().to_string().into(),
            manager.image.clone().into(),
            causes::cell(&manager.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let manager = &thing.data;
        vec![
            ("Name", manager.name.clone()),
            ("State", manager.current_state.clone()),
            ("Node", manager.node_id.clone()),
            ("Image", manager.image.clone()),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

fn state(word: &str) -> Cell {
    let tone = match word {
        "running" => Tone::Good,
        "error" => Tone::Bad,
        _ => Tone::Warning,
    };
    Cell::new(word, tone)
}

fn process((name, process): (&String, &InstanceProcess)) -> Vec<Cell> {
    vec![
        name.clone().into(),
        process.status.kind.clone().into(),
        state(&process.state),
        process.pid.to_string().into(),
        process.address.clone().into(),
        process.error.clone().into(),
    ]
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = match self {
            Self::Ls(list) => return list.all::<InstanceManager>(client).await,
            Self::Show(Show { name }) => name,
        };
        let seen = client.api.get::<InstanceManager>(&name).await?;
        client.output.one(&seen)?;
        let manager = &seen.thing.data;
        let processes: Vec<Vec<Cell>> =
            manager.instance_engines.iter().chain(&manager.instance_replicas).map(process).collect();
        if client.output.format != Format::Table || processes.is_empty() {
            return Ok(());
        }
        client.output.heading("PROCESSES")?;
        client.output.table(PROCESSES, processes)
    }
}
