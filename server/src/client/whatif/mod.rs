//! `aurochs whatif`: what a change would do that nobody makes.

mod answer;

use aurochs_api::size::ByteSize;
use aurochs_api::whatif::{Change, Question, WhatIf};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::api::{Seen, seen};
use super::failure::Failure;
use super::http::query;
use super::output::Format;
use super::{Client, Run, words};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// A node is cordoned and taken out of service
    #[command(after_help = "Example:\n  aurochs whatif drain-node node-1")]
    DrainNode(Node),
    /// All replicas are to move away from a node
    #[command(after_help = "Example:\n  aurochs whatif evict-node node-1")]
    EvictNode(Node),
    /// A node is lost, or taken away, with all that is on it
    #[command(after_help = "Example:\n  aurochs whatif remove-node node-1")]
    RemoveNode(Node),
    /// All replicas are to move away from a disk
    #[command(after_help = "Example:\n  aurochs whatif evict-disk node-1 disk-1")]
    EvictDisk(Disk),
    /// A disk is lost, or taken away, with all that is on it
    #[command(after_help = "Example:\n  aurochs whatif remove-disk node-1 disk-1")]
    RemoveDisk(Disk),
    /// A volume gets another number of replicas
    #[command(after_help = "Example:\n  aurochs whatif replica-count data 3")]
    ReplicaCount {
        /// Name of the volume
        volume: String,
        /// How many
        count: u32,
    },
    /// A volume becomes larger
    #[command(after_help = "Example:\n  aurochs whatif expand data 20Gi")]
    Expand {
        /// Name of the volume
        volume: String,
        /// The new size, such as 20Gi
        #[arg(value_parser = words::size)]
        size: ByteSize,
    },
    /// A snapshot is removed
    #[command(after_help = "Example:\n  aurochs whatif remove-snapshot data before-upgrade")]
    RemoveSnapshot {
        /// Name of the volume
        volume: String,
        /// Name of the snapshot
        snapshot: String,
    },
    /// A volume is taken from all that use it
    #[command(after_help = "Example:\n  aurochs whatif detach data")]
    Detach(Volume),
    /// A volume is deleted with its data
    #[command(after_help = "Example:\n  aurochs whatif remove-volume data")]
    RemoveVolume(Volume),
    /// The limits of the space on disks are others
    #[command(after_help = "Example:\n  aurochs whatif space-limits --over-provisioning 150 --minimal-available 20")]
    SpaceLimits {
        /// Percent of a disk that may be promised to replicas
        #[arg(long, value_name = "PERCENT")]
        over_provisioning: Option<u64>,
        /// Percent of a disk that stays free
        #[arg(long, value_name = "PERCENT")]
        minimal_available: Option<u64>,
    },
}

#[derive(Debug, Args)]
pub struct Node {
    /// Name of the node
    node: String,
}

#[derive(Debug, Args)]
pub struct Disk {
    /// Name of the node
    node: String,
    /// Name of the disk
    disk: String,
}

#[derive(Debug, Args)]
pub struct Volume {
    /// Name of the volume
    volume: String,
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/v1/whatif{}", query_of(&self.question())?);
        let answer: Seen<WhatIf> = seen(client.api.raw(Method::GET, &path, None).await?)?;
        match client.output.format {
            Format::Json => client.output.json(&answer.raw),
            Format::Name => {
                let names = answer.thing.data.volumes.iter().map(|volume| format!("{}\n", volume.name));
                client.output.write(&names.collect::<String>())
            }
            Format::Table => answer::show(client, &answer.thing.data),
        }
    }
}

impl Command {
    fn question(self) -> Question {
        let none = Question::default();
        match self {
            Self::DrainNode(Node { node }) => Question { change: Change::DrainNode, node, ..none },
            Self::EvictNode(Node { node }) => Question { change: Change::EvictNode, node, ..none },
            Self::RemoveNode(Node { node }) => Question { change: Change::RemoveNode, node, ..none },
            Self::EvictDisk(Disk { node, disk }) => Question { change: Change::EvictDisk, node, disk, ..none },
            Self::RemoveDisk(Disk { node, disk }) => Question { change: Change::RemoveDisk, node, disk, ..none },
            Self::ReplicaCount { volume, count } => {
                Question { change: Change::ReplicaCount, volume, replica_count: Some(count), ..none }
            }
            Self::Expand { volume, size } => {
                Question { change: Change::Expand, volume, size: size.bytes().to_string(), ..none }
            }
            Self::RemoveSnapshot { volume, snapshot } => {
                Question { change: Change::DeleteSnapshot, volume, snapshot, ..none }
            }
            Self::Detach(Volume { volume }) => Question { change: Change::Detach, volume, ..none },
            Self::RemoveVolume(Volume { volume }) => Question { change: Change::DeleteVolume, volume, ..none },
            Self::SpaceLimits { over_provisioning, minimal_available } => Question {
                change: Change::SpaceLimits,
                over_provisioning_percentage: over_provisioning,
                minimal_available_percentage: minimal_available,
                ..none
            },
        }
    }
}

/// The fields that were said, as they are on the wire.
fn query_of(question: &Question) -> Result<String, Failure> {
    let value = serde_json::to_value(question);
    let value = value.map_err(|error| Failure::usage(format!("this can't be asked: {error}"), ""))?;
    let fields = value.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(query(fields.map(|(name, value)| (name.as_str(), Some(text(value))))))
}
