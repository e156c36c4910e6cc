//! `aurochs volume files`: out of a snapshot, without restoring it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::client::failure::Failure;
use crate::client::files::{self, Within};
use crate::client::http::segment;
use crate::client::{Client, Run};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List a directory inside a snapshot
    #[command(visible_alias = "list")]
    #[command(after_help = "\
Examples:
  aurochs volume files ls data --snapshot before-upgrade
  aurochs volume files ls data /var/log --snapshot before-upgrade -o json | jq -r '.[] | select(.size > 1000000).path'")]
    Ls(Place),
    /// Take a file out of a snapshot, or a folder as a tar
    Get(Get),
}

#[derive(Debug, Args)]
pub struct Place {
    /// Name of the volume, which is attached
    volume: String,
    #[command(flatten)]
    within: Within,
    /// Name of the snapshot
    #[arg(long)]
    snapshot: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs volume files get data /etc/fstab --snapshot before-upgrade
  aurochs volume files get data /home --snapshot before-upgrade --file home.tar
  aurochs volume files get data /home --snapshot before-upgrade --file - | tar -xp -C /restored

ext2, ext3, ext4 and FAT can be looked into. A tar keeps permissions, owners, times, links and holes. Only admins may do
this, and the audit log has it.")]
pub struct Get {
    #[command(flatten)]
    place: Place,
    /// File to write, which must not exist, or - for standard output; one of the same name in this directory otherwise
    #[arg(short, long)]
    file: Option<PathBuf>,
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(place) => place.found().show(client).await,
            Self::Get(verb) => verb.place.found().get(client, verb.file).await,
        }
    }
}

impl Place {
    fn found(self) -> files::Place {
        let address = format!("/v1/volumes/{}/files", segment(&self.volume));
        files::Place { address, of: ("snapshot", self.snapshot), within: self.within }
    }
}
