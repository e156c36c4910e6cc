//! `aurochs volume expand` and `cancel-expansion`

use aurochs_api::action::NoInput;
use aurochs_api::cause::CauseCode;
use aurochs_api::size::{ByteSize, VOLUME_SIZE_ALIGNMENT};
use aurochs_api::volume::inputs::ExpandInput;
use aurochs_api::volume::{Volume, actions};
use clap::Args;

use super::follow::until;
use crate::client::failure::Failure;
use crate::client::wait::{MOMENTS, Waiting};
use crate::client::{Client, Run, words};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  aurochs volume expand data 20Gi

A file system in the volume has to grow, too: the manager does that for one that is mounted.")]
pub struct Expand {
    /// Name of the volume
    name: String,
    /// The new size, such as 20Gi
    #[arg(value_parser = words::size)]
    size: ByteSize,
    #[command(flatten)]
    waiting: Waiting,
}

impl Run for Expand {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        let input = ExpandInput { size: words::size_text(Some(self.size)) };
        let answer = client.api.act::<actions::Expand>(name, &input).await?;
        if !self.waiting.is_wanted() {
            return client.output.done(&answer, name, &format!("Volume {name} is to have {}.", self.size));
        }
        let wanted = self.size.round_up(VOLUME_SIZE_ALIGNMENT);
        let what = format!("expanding volume {name}");
        let patience = self.waiting.patience().or(MOMENTS);
        let seen = until(client, name, &what, &patience, |volume| Ok(has_grown(volume, wanted))).await?;
        let sentence = format!("Volume {name} has {}.", seen.thing.data.size);
        client.output.done(&seen.raw, name, &sentence)
    }
}

/// Asked for and really there. One that failed is tried again by the manager, so that it is waited for, too.
fn has_grown(volume: &Volume, wanted: ByteSize) -> bool {
    let waits = [CauseCode::ExpansionFailed, CauseCode::ExpansionWaiting];
    let waits = volume.causes.iter().any(|cause| waits.contains(&cause.code));
    let is_there = volume.controllers.iter().all(|engine| !engine.is_expanding && engine.size >= wanted);
    volume.size >= wanted && is_there && !waits
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs volume cancel-expansion data")]
pub struct Cancel {
    /// Name of the volume
    name: String,
}

impl Run for Cancel {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let answer = client.api.act::<actions::CancelExpansion>(&self.name, &NoInput {}).await?;
        client.output.done(&answer, &self.name, &format!("Volume {} keeps its size.", self.name))
    }
}
