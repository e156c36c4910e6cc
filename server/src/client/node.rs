//! `aurochs node`

use aurochs_api::cause::Cause;
use aurochs_api::node::{EnvironmentItem, Node, NodeStatus, NodeUpdate, Space};
use aurochs_api::schema::Resource;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::confirm::Confirmation;
use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::output::Format;
use super::progress::Progress;
use super::table::{Cell, Column, Tone};
use super::wait::{Look, Patience};
use super::words::Switch;
use super::{Client, Run, causes, disk};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List nodes with their space
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs node ls --wide")]
    Ls(List),
    /// Show one node: conditions, disks, environment, causes
    #[command(after_help = "Example:\n  aurochs node show node-1")]
    Show(Show),
    /// Take a node out of service: nothing new goes there
    #[command(after_help = "\
Example:
  aurochs node cordon node-1

What may stay there depends on the setting node-drain-policy.")]
    Cordon(Name),
    /// Put a node back into service: cordon and eviction end, replicas may be placed there
    #[command(after_help = "Example:\n  aurochs node uncordon node-1")]
    Uncordon(Name),
    /// Let all replicas move away from a node
    Evict(Evict),
    /// Change a node: scheduling, eviction, tags
    Set(Set),
    /// Forget a node that is gone and has nothing any more
    #[command(visible_alias = "delete", after_help = "Example:\n  aurochs node rm node-3")]
    Rm(Remove),
}

#[derive(Debug, Args)]
pub struct Name {
    /// Name of the node
    name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs node evict node-1 --wait
  aurochs node uncordon node-1    # ends it")]
pub struct Evict {
    /// Name of the node
    name: String,
    /// Wait until no replica is there any more
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs node set node-1 --scheduling off
  aurochs node set node-1 --tag fast --tag ssd")]
pub struct Set {
    /// Name of the node
    name: String,
    #[command(flatten)]
    wishes: Wishes,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Wishes {
    /// Whether new replicas may be placed there
    #[arg(long, value_enum, value_name = "SWITCH")]
    scheduling: Option<Switch>,
    /// Whether replicas are to move away
    #[arg(long, value_enum, value_name = "SWITCH")]
    eviction: Option<Switch>,
    /// Tag that it has from now on, in place of those it has; can be given several times
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "no_tags")]
    tags: Vec<String>,
    /// It has no tags from now on
    #[arg(long)]
    no_tags: bool,
}

#[derive(Debug, Args)]
pub struct Remove {
    /// Name of the node
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl Listed for Node {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("STATUS"),
        Column::number("SCHEDULABLE"),
        Column::number("USED"),
        Column::number("TOTAL"),
        Column::number("DISKS"),
        Column::number("REPLICAS"),
        Column::text("ZONE").wide(),
        Column::text("TAGS").spare(),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "There are no nodes.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let node = &thing.data;
        let space = Space::of([node]);
        let (word, tone) = status(node);
        vec![
            node.name.clone().into(),
            Cell::new(word, tone),
            space.schedulable.to_string().into(),
            space.used.to_string().into(),
            space.total.to_string().into(),
            node.disks.len().to_string().into(),
            replicas(node).to_string().into(),
            zone(node).into(),
            node.tags.join(",").into(),
            causes::cell(&node.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let node = &thing.data;
        let offered = node.frontends.iter().filter(|offer| offer.available).map(|offer| offer.kind.as_str());
        vec![
            ("Name", node.name.clone()),
            ("Status", status(node).0),
            ("Address", node.address.clone()),
            ("Zone", zone(node)),
            ("Tags", node.tags.join(", ")),
            ("Replicas", replicas(node).to_string()),
            ("Frontends", offered.collect::<Vec<_>>().join(", ")),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

/// The status, and what is wished of the node besides.
fn status(node: &Node) -> (String, Tone) {
    let (word, tone) = match node.status() {
        NodeStatus::Schedulable => ("schedulable", Tone::Good),
        NodeStatus::Unschedulable => ("unschedulable", Tone::Warning),
        NodeStatus::Disabled => ("disabled", Tone::Warning),
        NodeStatus::Down => ("down", Tone::Bad),
        NodeStatus::Unknown => ("unknown", Tone::Dim),
    };
    let wishes = [(node.cordoned, "cordoned"), (node.eviction_requested || node.auto_evicting, "evicting")];
    let said: Vec<&str> = wishes.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
    match said.is_empty() {
        true => (word.to_owned(), tone),
        false => (format!("{word},{}", said.join(",")), if tone == Tone::Good { Tone::Warning } else { tone }),
    }
}

fn replicas(node: &Node) -> usize {
    node.disks.values().map(|disk| disk.scheduled_replica.len()).sum()
}

fn zone(node: &Node) -> String {
    if node.region.is_empty() { node.zone.clone() } else { format!("{}/{}", node.region, node.zone) }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<Node>(client).await,
            Self::Show(show) => shown(client, &show.name).await,
            Self::Cordon(Name { name }) => {
                let wish = NodeUpdate { cordoned: Some(true), ..NodeUpdate::default() };
                update(client, &name, &wish, "is cordoned").await
            }
            Self::Uncordon(Name { name }) => {
                let wish = NodeUpdate {
                    cordoned: Some(false),
                    allow_scheduling: Some(true),
                    eviction_requested: Some(false),
                    ..NodeUpdate::default()
                };
                update(client, &name, &wish, "is in service").await
            }
            Self::Evict(verb) => verb.run(client).await,
            Self::Set(verb) => verb.run(client).await,
            Self::Rm(verb) => verb.run(client).await,
        }
    }
}

async fn shown(client: &Client, name: &str) -> Result<(), Failure> {
    let seen = client.api.get::<Node>(name).await?;
    client.output.one(&seen)?;
    if client.output.format != Format::Table {
        return Ok(());
    }
    client.output.heading("DISKS")?;
    client.output.table(disk::COLUMNS, disk::rows(&seen.thing.data))?;
    let missing: Vec<Vec<Cell>> = seen.thing.data.environment.iter().filter(|item| !item.ok).map(lacks).collect();
    if missing.is_empty() {
        return Ok(());
    }
    client.output.heading("WHAT THE MACHINE LACKS")?;
    client.output.table(MISSING, missing)
}

const MISSING: &[Column] = &[Column::text("WHAT"), Column::text("WHY IT MATTERS"), Column::text("WHAT TO DO")];

fn lacks(item: &EnvironmentItem) -> Vec<Cell> {
    vec![item.name.clone().into(), item.message.clone().into(), item.remedy.clone().into()]
}

async fn update(client: &Client, name: &str, wish: &NodeUpdate, now: &str) -> Result<(), Failure> {
    let seen = client.api.update::<Node>(name, wish).await?;
    client.output.done(&seen.raw, name, &format!("Node {name} {now}."))
}

impl Run for Evict {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        let wish =
            NodeUpdate { allow_scheduling: Some(false), eviction_requested: Some(true), ..NodeUpdate::default() };
        if !self.wait {
            return update(client, name, &wish, "is being emptied").await;
        }
        let before = replicas(&client.api.update::<Node>(name, &wish).await?.thing.data);
        let what = format!("emptying node {name}");
        let look = async || {
            let seen = client.api.get::<Node>(name).await?;
            let left = replicas(&seen.thing.data);
            if left == 0 {
                return Ok(Look::Done(seen));
            }
            let moved = before.saturating_sub(left) * 100;
            let percent = moved.checked_div(before).and_then(|percent| u64::try_from(percent).ok());
            Ok(Look::GoesOn(Progress { percent, ..Progress::at(format!("{what}: {left} replicas are left")) }))
        };
        let seen = self.patience.until(&what, look).await?;
        client.output.done(&seen.raw, name, &format!("Node {name} is empty."))
    }
}

impl Run for Set {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let wishes = self.wishes;
        let wish = NodeUpdate {
            allow_scheduling: wishes.scheduling.map(Switch::is_on),
            eviction_requested: wishes.eviction.map(Switch::is_on),
            tags: (wishes.no_tags || !wishes.tags.is_empty()).then_some(wishes.tags),
            ..NodeUpdate::default()
        };
        update(client, &self.name, &wish, "is changed").await
    }
}

impl Run for Remove {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        client.api.get::<Node>(name).await?;
        self.confirmation.ask(&format!("Node {name} is forgotten; what its disks hold is not touched."))?;
        client.api.delete::<Node>(name).await?;
        client.output.done(&Value::Null, name, &format!("Node {name} is forgotten."))
    }
}
