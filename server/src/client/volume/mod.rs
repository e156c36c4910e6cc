//! `aurochs volume`

mod attach;
mod change;
mod create;
mod expand;
mod files;
mod follow;
mod remove;
mod repair;
mod row;
mod show;

use aurochs_api::volume::Volume;
use clap::Subcommand;

pub(super) use self::follow::{purges, until};
use super::failure::Failure;
use super::list::List;
use super::{Client, Run};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List volumes with what is wrong with them
    #[command(visible_alias = "list")]
    #[command(after_help = "\
Examples:
  aurochs volume ls
  aurochs volume ls --watch
  aurochs volume ls -o json | jq -r '.[] | select(.robustness != \"healthy\").name'")]
    Ls(List),
    /// Show one volume: state, device, replicas, causes with next steps
    #[command(after_help = "Example:\n  aurochs volume show data")]
    Show(show::Show),
    /// Create a volume; what is not said follows the settings
    Create(Box<create::Create>),
    /// Attach a volume to a node and wait for its device
    Attach(attach::Attach),
    /// Detach a volume and wait until it is
    Detach(attach::Detach),
    /// Delete a volume with all its data and snapshots
    #[command(visible_alias = "delete")]
    Rm(remove::Remove),
    /// Make a volume larger
    Expand(expand::Expand),
    /// Take back an expansion that has not begun
    CancelExpansion(expand::Cancel),
    /// Change settings of a volume
    Set(Box<change::Change>),
    /// Give blocks that the file system does not use any more back to the disks
    Trim(repair::Trim),
    /// Go on with replicas that are not known to be whole, because there is nothing better
    Salvage(repair::Salvage),
    /// Make a standby volume usable
    Activate(repair::Activate),
    /// Look at files inside a snapshot of a volume, and take them out
    #[command(subcommand)]
    Files(files::Command),
    /// Let a volume run another version of the engine
    Upgrade(repair::Upgrade),
    /// Wait until a volume is in a state, showing what goes on
    Wait(follow::Wait),
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<Volume>(client).await,
            Self::Show(verb) => verb.run(client).await,
            Self::Create(verb) => verb.run(client).await,
            Self::Attach(verb) => verb.run(client).await,
            Self::Detach(verb) => verb.run(client).await,
            Self::Rm(verb) => verb.run(client).await,
            Self::Expand(verb) => verb.run(client).await,
            Self::CancelExpansion(verb) => verb.run(client).await,
            Self::Set(verb) => verb.run(client).await,
            Self::Trim(verb) => verb.run(client).await,
            Self::Salvage(verb) => verb.run(client).await,
            Self::Activate(verb) => verb.run(client).await,
            Self::Files(verb) => verb.run(client).await,
            Self::Upgrade(verb) => verb.run(client).await,
            Self::Wait(verb) => verb.run(client).await,
        }
    }
}
