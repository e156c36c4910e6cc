//! `aurochs disk`: parts of their nodes, which take and give all of their disks at once.

use std::collections::BTreeMap;

use aurochs_api::node::{Disk, DiskType, DiskUpdate, DiskUpdateInput, DiskWish, Node};
use aurochs_api::size::ByteSize;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::Seen;
use super::confirm::Confirmation;
use super::failure::{Failure, Kind};
use super::output::Format;
use super::table::{Cell, Column, Tone};
use super::words::{self, Switch};
use super::{Client, Run, causes};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the disks of one node, or of all
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show one disk: space, replicas, health, causes
    #[command(after_help = "Example:\n  aurochs disk show node-1 disk-1")]
    Show(Named),
    /// Give a node another disk
    Add(Add),
    /// Change a disk: scheduling, eviction, reservation, tags
    Set(Set),
    /// Take a disk from its node; it has to be empty
    #[command(visible_alias = "delete")]
    Rm(Remove),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs disk ls
  aurochs disk ls node-1 -o json")]
pub struct Ls {
    /// Name of the node
    node: Option<String>,
}

#[derive(Debug, Args)]
pub struct Named {
    /// Name of the node
    node: String,
    /// Name of the disk
    disk: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  aurochs disk add node-1 fast /mnt/nvme --reserved 20Gi --tag nvme")]
pub struct Add {
    #[command(flatten)]
    which: Named,
    /// Directory on that node, on a file system of its own
    path: String,
    /// Space that is kept for others, such as 20Gi
    #[arg(long, value_parser = words::size, value_name = "SIZE")]
    reserved: Option<ByteSize>,
    /// Tag of the disk; can be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Place no replicas there yet
    #[arg(long)]
    no_scheduling: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs disk set node-1 disk-1 --scheduling off --eviction on    # empties it
  aurochs disk set node-1 disk-1 --reserved 50Gi --tag ssd")]
pub struct Set {
    #[command(flatten)]
    which: Named,
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
    /// Space that is kept for others, such as 20Gi
    #[arg(long, value_parser = words::size, value_name = "SIZE")]
    reserved: Option<ByteSize>,
    /// Tag that it has from now on, in place of those it has; can be given several times
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "no_tags")]
    tags: Vec<String>,
    /// It has no tags from now on
    #[arg(long)]
    no_tags: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs disk set node-1 disk-1 --scheduling off --eviction on
  aurochs disk rm node-1 disk-1")]
pub struct Remove {
    #[command(flatten)]
    which: Named,
    #[command(flatten)]
    confirmation: Confirmation,
}

pub(super) const COLUMNS: &[Column] = &[
    Column::text("NODE"),
    Column::text("DISK"),
    Column::text("STATUS"),
    Column::number("SCHEDULABLE"),
    Column::number("SCHEDULED").spare(),
    Column::number("RESERVED").spare(),
    Column::number("USED"),
    Column::number("TOTAL"),
    Column::number("REPLICAS"),
    Column::text("TAGS"),
    Column::text("PATH").spare(),
    Column::text("CAUSE"),
];

pub(super) fn rows(node: &Node) -> Vec<Vec<Cell>> {
    node.disks.iter().map(|(name, disk)| row(&node.name, name, disk)).collect()
}

fn row(node: &str, name: &str, disk: &Disk) -> Vec<Cell> {
    let parts = disk.parts();
    let (status, tone) = status(disk);
    vec![
        node.into(),
        name.into(),
        Cell::new(status, tone),
        parts.schedulable.to_string().into(),
        disk.storage_scheduled.to_string().into(),
        disk.storage_reserved.to_string().into(),
        parts.used.to_string().into(),
        parts.total.to_string().into(),
        disk.scheduled_replica.len().to_string().into(),
        disk.tags.join(",").into(),
        disk.path.clone().into(),
        causes::cell(&disk.causes),
    ]
}

const fn word(disk: &Disk) -> &'static str {
    if disk.eviction_requested {
        "evicting"
    } else if !disk.allow_scheduling {
        "disabled"
    } else {
        "unschedulable"
    }
}

fn status(disk: &Disk) -> (&'static str, Tone) {
    let is_fine = disk.allow_scheduling && !disk.eviction_requested && disk.is_schedulable();
    if is_fine { ("schedulable", Tone::Good) } else { (word(disk), Tone::Warning) }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(verb) => verb.run(client).await,
            Self::Show(named) => named.show(client).await,
            Self::Add(verb) => verb.run(client).await,
            Self::Set(verb) => verb.run(client).await,
            Self::Rm(verb) => verb.run(client).await,
        }
    }
}

impl Run for Ls {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let nodes = match &self.node {
            Some(name) => vec![client.api.get::<Node>(name).await?],
            None => client.api.list::<Node>().await?,
        };
        match client.output.format {
            Format::Json => client.output.json(&nodes.iter().flat_map(raw_disks).collect::<Vec<_>>()),
            Format::Name => {
                let names = nodes.iter().flat_map(|seen| seen.thing.data.disks.keys());
                client.output.write(&names.map(|name| format!("{name}\n")).collect::<String>())
            }
            Format::Table => {
                client.output.table(COLUMNS, nodes.iter().flat_map(|seen| rows(&seen.thing.data)).collect())
            }
        }
    }
}

/// The API's objects, which know neither their own name nor their node's: both are added.
fn raw_disks(node: &Seen<Node>) -> Vec<Value> {
    let disks = node.raw.get("disks").and_then(Value::as_object).into_iter().flatten();
    let named = |(name, disk): (&String, &Value)| {
        let mut disk = disk.clone();
        if let Some(fields) = disk.as_object_mut() {
            fields.insert("name".to_owned(), name.clone().into());
            fields.insert("node".to_owned(), node.thing.data.name.clone().into());
        }
        disk
    };
    disks.map(named).collect()
}

impl Named {
    async fn show(self, client: &Client) -> Result<(), Failure> {
        let node = client.api.get::<Node>(&self.node).await?;
        let disk = self.find(&node.thing.data)?;
        if client.output.format == Format::Json {
            let raw = raw_disks(&node).into_iter().find(|raw| raw.get("name").is_some_and(|name| name == &self.disk));
            return client.output.json(&raw);
        }
        if client.output.format == Format::Name {
            return client.output.line(&self.disk);
        }
        client.output.facts(&self.facts(disk))?;
        client.output.causes(&disk.causes)
    }

    fn facts(&self, disk: &Disk) -> Vec<(&'static str, String)> {
        let parts = disk.parts();
        let health = disk.health_data.iter().map(|(device, health)| format!("{device} {}", health.health_status));
        let replicas: Vec<&str> = disk.scheduled_replica.keys().map(String::as_str).collect();
        vec![
            ("Disk", self.disk.clone()),
            ("Node", self.node.clone()),
            ("Status", status(disk).0.to_owned()),
            ("Path", disk.path.clone()),
            ("File system", disk.filesystem_type.clone()),
            ("Total", parts.total.to_string()),
            ("Used", parts.used.to_string()),
            ("Reserved", disk.storage_reserved.to_string()),
            ("Scheduled", disk.storage_scheduled.to_string()),
            ("Schedulable", parts.schedulable.to_string()),
            ("Tags", disk.tags.join(", ")),
            ("Health", health.collect::<Vec<_>>().join(", ")),
            ("Replicas", replicas.join(", ")),
            ("UUID", disk.disk_uuid.clone()),
        ]
    }

    fn find<'a>(&self, node: &'a Node) -> Result<&'a Disk, Failure> {
        node.disks.get(&self.disk).ok_or_else(|| self.unknown())
    }

    fn unknown(&self) -> Failure {
        let message = format!("node {} has no disk {}", self.node, self.disk);
        Failure::new(Kind::NotFound, message, format!("`aurochs disk ls {}` names them.", self.node))
    }

    /// Changes the disks of the node by `change`, and says so.
    async fn update(
        &self,
        client: &Client,
        change: impl FnOnce(&mut BTreeMap<String, DiskWish>) -> Result<(), Failure>,
        now: &str,
    ) -> Result<(), Failure> {
        let node = client.api.get::<Node>(&self.node).await?;
        let mut disks = node.thing.data.disks.iter().map(|(name, disk)| (name.clone(), wish(disk))).collect();
        change(&mut disks)?;
        let answer = client.api.act::<DiskUpdate>(&self.node, &DiskUpdateInput { disks }).await?;
        client.output.done(&answer, &self.disk, &format!("Disk {} of {} {now}.", self.disk, self.node))
    }
}

/// A disk as it is wished now.
fn wish(disk: &Disk) -> DiskWish {
    DiskWish {
        path: disk.path.clone(),
        disk_type: if disk.disk_type == "block" { DiskType::Block } else { DiskType::Filesystem },
        disk_driver: disk.disk_driver.clone(),
        allow_scheduling: disk.allow_scheduling,
        eviction_requested: disk.eviction_requested,
        storage_reserved: disk.storage_reserved,
        tags: disk.tags.clone(),
    }
}

impl Run for Add {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Named { node, disk } = &self.which;
        let new = DiskWish {
            path: self.path,
            allow_scheduling: !self.no_scheduling,
            storage_reserved: self.reserved.unwrap_or_default(),
            tags: self.tags,
            ..DiskWish::default()
        };
        let change = |disks: &mut BTreeMap<String, DiskWish>| match disks.insert(disk.clone(), new) {
            None => Ok(()),
            Some(_) => {
                let message = format!("node {node} has a disk {disk} already");
                Err(Failure::refused(message, "Choose another name, or change that one with `aurochs disk set`."))
            }
        };
        self.which.update(client, change, "is added").await
    }
}

impl Run for Set {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let wishes = self.wishes;
        let change = |disks: &mut BTreeMap<String, DiskWish>| {
            let disk = disks.get_mut(&self.which.disk).ok_or_else(|| self.which.unknown())?;
            disk.allow_scheduling = wishes.scheduling.map_or(disk.allow_scheduling, Switch::is_on);
            disk.eviction_requested = wishes.eviction.map_or(disk.eviction_requested, Switch::is_on);
            disk.storage_reserved = wishes.reserved.unwrap_or(disk.storage_reserved);
            if wishes.no_tags || !wishes.tags.is_empty() {
                disk.tags = wishes.tags;
            }
            Ok(())
        };
        self.which.update(client, change, "is changed").await
    }
}

impl Run for Remove {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Named { node, disk } = &self.which;
        let found = client.api.get::<Node>(node).await?;
        let path = &self.which.find(&found.thing.data)?.path;
        self.confirmation.ask(&format!("Disk {disk} ({path}) is taken from {node}; the directory itself stays."))?;
        let change =
            |disks: &mut BTreeMap<String, DiskWish>| disks.remove(disk).map(drop).ok_or_else(|| self.which.unknown());
        self.which.update(client, change, "is taken away").await
    }
}
