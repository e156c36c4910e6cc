//! `aurochs backup files`: out of a backup, without restoring it.

use std::path::PathBuf;

use aurochs_api::backup::Backup;
use clap::{Args, Subcommand};

use crate::client::failure::Failure;
use crate::client::files::{self, Within};
use crate::client::http::segment;
use crate::client::{Client, Run};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List a directory inside a backup
    #[command(visible_alias = "list")]
    #[command(after_help = "\
Examples:
  aurochs backup files ls backup-0123456789abcdef
  aurochs backup files ls backup-0123456789abcdef /var/log -o json | jq -r '.[] | select(.size > 1000000).path'")]
    Ls(Place),
    /// Take a file out of a backup, or a folder as a tar
    Get(Get),
}

#[derive(Debug, Args)]
pub struct Place {
    /// Name of the backup
    backup: String,
    #[command(flatten)]
    within: Within,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs backup files get backup-0123456789abcdef /etc/fstab
  aurochs backup files get backup-0123456789abcdef /home --file home.tar
  aurochs backup files get backup-0123456789abcdef /home --file - | tar -xp -C /restored

ext2, ext3, ext4 and FAT can be looked into. Only the blocks that are needed are fetched from the target. A tar keeps
permissions, owners, times, links and holes. Only admins may do this, and the audit log has it.")]
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
            Self::Ls(place) => place.find(client).await?.show(client).await,
            Self::Get(verb) => verb.place.find(client).await?.get(client, verb.file).await,
        }
    }
}

impl Place {
    /// The API has backups below the volume that they are of.
    async fn find(self, client: &Client) -> Result<files::Place, Failure> {
        let found = client.api.get::<Backup>(&self.backup).await?.thing.data;
        let volume = super::volume_of(client, &found).await?;
        let address = format!("/v1/backupvolumes/{}/files", segment(&volume));
        Ok(files::Place { address, of: ("backup", self.backup), within: self.within })
    }
}
