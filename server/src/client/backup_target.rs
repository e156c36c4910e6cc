//! `aurochs backup-target`

use aurochs_api::backup_target::BackupTarget;
use aurochs_api::schema::Resource;
use clap::Subcommand;

use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::table::{Cell, Column, Tone};
use super::{Client, Run};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List backup targets
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs backup-target ls")]
    Ls(List),
    /// Show one backup target
    #[command(after_help = "Example:\n  aurochs backup-target show default")]
    Show(Show),
}

impl Listed for BackupTarget {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("AVAILABLE"),
        Column::text("URL"),
        Column::text("POLLED"),
        Column::text("MESSAGE"),
    ];
    const NONE: &'static str = "There are no backup targets.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let target = &thing.data;
        let available = if target.available { Cell::new("yes", Tone::Good) } else { Cell::new("no", Tone::Warning) };
        vec![
            target.name.clone().into(),
            available,
            target.backup_target_url.clone().into(),
            target.poll_interval.clone().into(),
            target.message.clone().into(),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let target = &thing.data;
        vec![
            ("Name", target.name.clone()),
            ("URL", target.backup_target_url.clone()),
            ("Secret", target.credential_secret.clone()),
            ("Polled every", target.poll_interval.clone()),
            ("Available", super::words::yes_or_no(target.available).to_owned()),
            ("Message", target.message.clone()),
        ]
    }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<BackupTarget>(client).await,
            Self::Show(show) => show.one::<BackupTarget>(client).await,
        }
    }
}
