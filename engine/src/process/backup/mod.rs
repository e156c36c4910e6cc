//! `aurochs-engine backup …`: backups in a target, without a cluster.

mod create;
mod delete;
mod inspect;
mod ls;
mod restore_to_file;
pub(super) mod target;
mod verify;

use clap::{Args, Subcommand};

use super::ProgramError;
use crate::backup::lock::all_released;

/// How long a command that was asked to end waits for the target to take its lock back.
const LOCK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Lists, checks, restores, makes and deletes backups in a backup target, without a cluster.
///
/// Works with what Longhorn and Aurochs store: on S3, Azure, NFS, CIFS and in directories.
///
/// Ends with 0 when all is well, with 1 when what was wanted is not possible or damage was found, with 2 when the
/// target cannot be used.
#[derive(Debug, Args)]
#[command(after_long_help = "\
A target is a URL; what is in it has more behind that, as the dashboard and `ls` show it. Quote it: & means something to
shells.
  s3://bucket@region/path   azblob://container@core.windows.net/path
  nfs://server:/path        cifs://server/share/path        vfs:///directory
  <target>?volume=<volume>
  <target>?backup=<backup>&volume=<volume>

Credentials come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINTS, AWS_CERT,
VIRTUAL_HOSTED_STYLE, CIFS_USERNAME, CIFS_PASSWORD, AZBLOB_ACCOUNT_NAME, AZBLOB_ACCOUNT_KEY, AZBLOB_ENDPOINT,
AZBLOB_CERT, HTTP_PROXY, HTTPS_PROXY, NO_PROXY; or from a file with lines NAME=VALUE, see --credentials. They are never
shown.

Examples:
  aurochs-engine backup ls s3://backups@eu-west-1/
  aurochs-engine backup ls 'nfs://10.0.0.5:/backups?volume=pvc-1f2e'
  aurochs-engine backup verify 'vfs:///mnt/backups?backup=backup-0a1b&volume=pvc-1f2e'
  aurochs-engine backup restore-to-file 'vfs:///mnt/backups?backup=backup-0a1b&volume=pvc-1f2e' --output volume.img")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Arguments),
    Inspect(inspect::Arguments),
    Verify(verify::Arguments),
    RestoreToFile(restore_to_file::Arguments),
    Create(create::Arguments),
    Delete(delete::Arguments),
}

/// Runs the command.
///
/// # Errors
/// [`ProgramError::Backup`] and others; the text says what to do.
pub async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let asked = super::asked_to_end()?;
    let work = async {
        match arguments.command {
            Command::Ls(arguments) => ls::run(&arguments).await,
            Command::Inspect(arguments) => inspect::run(&arguments).await,
            Command::Verify(arguments) => verify::run(&arguments).await,
            Command::RestoreToFile(arguments) => restore_to_file::run(arguments).await,
            Command::Create(arguments) => create::run(arguments).await,
            Command::Delete(arguments) => delete::run(&arguments).await,
        }
    };
    let outcome = tokio::select! {
        outcome = work => Some(outcome),
        () = asked => None,
    };
    if let Some(outcome) = outcome {
        return outcome;
    }
    // What was dropped is cancelled; its lock goes, or grows old.
    let _ = tokio::time::timeout(LOCK_PATIENCE, all_released()).await;
    Err(ProgramError::Usage("ended because it was asked to; the same command goes on or begins again".to_owned()))
}
