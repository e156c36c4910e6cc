//! `aurochs-engine backup delete`: a backup, and the blocks that no other one needs.

use aurochs_api::size::ByteSize;
use clap::Args;

use super::super::ProgramError;
use super::super::terminal;
use super::target::TargetArguments;
use crate::backup::delete_backup;

/// Deletes a backup, and the blocks that no other backup of the volume needs.
///
/// Takes the lock that Longhorn takes: while a backup or restore of the volume runs, it is refused. As long as any
/// backup of the volume is in progress or damaged, no blocks are cleared away; the next deletion does it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  aurochs-engine backup delete 'vfs:///mnt/backups?backup=backup-0a1b&volume=pvc-1f2e'")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) async fn run(arguments: &Arguments) -> Result<(), ProgramError> {
    let (volume, backup) = arguments.target.backup()?;
    let store = arguments.target.open().await?;
    let deleted = delete_backup(&store, volume, backup).await?;
    let what = if deleted.existed { "deleted" } else { "was not there:" };
    let blocks = match &deleted.blocks_kept_because {
        Some(why) => format!("no blocks were cleared away: {why}"),
        None => format!("cleared {} blocks away, {}", deleted.removed_blocks, ByteSize(deleted.removed_bytes)),
    };
    terminal::print(&format!("{what} backup {backup}\n  {blocks}\n"))
}
