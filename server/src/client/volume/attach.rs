//! `aurochs volume attach` and `detach`

use aurochs_api::attachment::{AttachInput, DetachInput};
use aurochs_api::node::Node;
use aurochs_api::volume::actions;
use aurochs_api::volume::{Frontend, Volume, VolumeState};
use clap::Args;

use super::follow::until;
use crate::client::api::seen;
use crate::client::confirm::Confirmation;
use crate::client::failure::Failure;
use crate::client::wait::{MOMENTS, Waiting};
use crate::client::{Client, Run};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs volume attach data node-1
  aurochs volume attach data node-1 --maintenance    # without a device, to revert to a snapshot")]
pub struct Attach {
    /// Name of the volume
    name: String,
    /// Node to attach it to; not needed where there is only one
    node: Option<String>,
    /// Offer no device: nobody can write while the volume is reverted to a snapshot
    #[arg(long)]
    maintenance: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Run for Attach {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        let node = match self.node {
            Some(node) => node,
            None => only_node(client, name).await?,
        };
        let input = AttachInput { host_id: node.clone(), disable_frontend: self.maintenance, ..AttachInput::default() };
        let answer = client.api.act::<actions::Attach>(name, &input).await?;
        if !self.waiting.is_wanted() {
            return client.output.done(&answer, name, &format!("Volume {name} is to be attached to {node}."));
        }
        let (what, patience) = (format!("attaching volume {name}"), self.waiting.patience().or(MOMENTS));
        let is_done = |volume: &Volume| Ok(is_usable(volume, &node, self.maintenance));
        let seen = until(client, name, &what, &patience, is_done).await?;
        let place = match seen.thing.data.endpoint() {
            "" => "without a device".to_owned(),
            device => format!("as {device}"),
        };
        client.output.done(&seen.raw, name, &format!("Volume {name} is attached to {node} {place}."))
    }
}

/// It is where it was asked to be, with its device if it has one.
fn is_usable(volume: &Volume, node: &str, maintenance: bool) -> bool {
    let has_device = maintenance || volume.frontend == Frontend::None || !volume.endpoint().is_empty();
    volume.state == VolumeState::Attached && volume.node() == node && has_device
}

async fn only_node(client: &Client, volume: &str) -> Result<String, Failure> {
    let nodes = client.api.list::<Node>().await?;
    let names: Vec<String> = nodes.iter().map(|seen| seen.thing.data.name.clone()).collect();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        _ => {
            let message = format!("to which node is volume {volume} to be attached?");
            Err(Failure::usage(message, format!("Name one: {}.", names.join(", "))))
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs volume detach data
  aurochs volume detach data --force    # also while it is mounted, or wanted by a workload")]
pub struct Detach {
    /// Name of the volume
    name: String,
    /// Also from workloads that want it, and while it is mounted; asks first
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    waiting: Waiting,
}

impl Run for Detach {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        if self.force {
            let loss =
                format!("Whoever uses volume {name} loses it: open files fail, and a workload may want it back.");
            self.confirmation.ask(&loss)?;
        }
        let input = DetachInput { force_detach: self.force, ..DetachInput::default() };
        let answer = client.api.act::<actions::Detach>(name, &input).await?;
        if seen::<Volume>(answer.clone())?.thing.data.state == VolumeState::Detached {
            return client.output.done(&answer, name, &format!("Volume {name} is detached."));
        }
        if !self.waiting.is_wanted() {
            return client.output.done(&answer, name, &format!("Volume {name} is to be detached."));
        }
        let (what, patience) = (format!("detaching volume {name}"), self.waiting.patience().or(MOMENTS));
        let is_done = |volume: &Volume| Ok(volume.state == VolumeState::Detached);
        let seen = until(client, name, &what, &patience, is_done).await?;
        client.output.done(&seen.raw, name, &format!("Volume {name} is detached."))
    }
}
