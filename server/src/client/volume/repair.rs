//! `aurochs volume trim`, `salvage`, `activate` and `upgrade`

use aurochs_api::action::NoInput;
use aurochs_api::volume::inputs::{ActivateInput, EngineUpgradeInput, SalvageInput};
use aurochs_api::volume::{Frontend, Volume, actions};
use clap::Args;

use crate::client::confirm::Confirmation;
use crate::client::failure::Failure;
use crate::client::{Client, Run, words};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs volume trim data")]
pub struct Trim {
    /// Name of the volume, which is attached and mounted
    name: String,
}

impl Run for Trim {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let answer = client.api.act::<actions::TrimFilesystem>(&self.name, &NoInput {}).await?;
        client.output.done(&answer, &self.name, &format!("The file system in volume {} is trimmed.", self.name))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  aurochs volume salvage data data-r-0a1b2c3d

`aurochs replica ls data` names the replicas, with the time when each failed: the one that failed last has most.")]
pub struct Salvage {
    /// Name of the volume
    name: String,
    /// Replicas whose data is used from now on
    #[arg(required = true)]
    replicas: Vec<String>,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl Run for Salvage {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        // A wrong name should be told before the question.
        client.api.get::<Volume>(name).await?;
        let replicas = self.replicas.join(", ");
        self.confirmation.ask(&format!(
            "Volume {name} goes on with the data of {replicas}. What was written after they failed is lost, and replicas \
             that are not named are made anew."
        ))?;
        let answer = client.api.act::<actions::Salvage>(name, &SalvageInput { names: self.replicas }).await?;
        client.output.done(&answer, name, &format!("Volume {name} is to go on with {replicas}."))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs volume activate data --frontend blockdev")]
pub struct Activate {
    /// Name of the volume
    name: String,
    /// How it is offered to its node from now on
    #[arg(long, value_parser = words::of::<Frontend>(), default_value = "blockdev", value_name = "FRONTEND")]
    frontend: String,
}

impl Run for Activate {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let input = ActivateInput { frontend: self.frontend };
        let answer = client.api.act::<actions::Activate>(&self.name, &input).await?;
        client.output.done(&answer, &self.name, &format!("Volume {} is to be usable.", self.name))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  aurochs volume upgrade data aurochs-engine:0.2.0

`aurochs engine-image ls` names the images.")]
pub struct Upgrade {
    /// Name of the volume
    name: String,
    /// Engine image that it runs from now on
    image: String,
}

impl Run for Upgrade {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let sentence = format!("Volume {} is to run {}.", self.name, self.image);
        let input = EngineUpgradeInput { image: self.image };
        let answer = client.api.act::<actions::EngineUpgrade>(&self.name, &input).await?;
        client.output.done(&answer, &self.name, &sentence)
    }
}
