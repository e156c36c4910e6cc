//! `aurochs backup-target`: where backups are kept.

use std::collections::BTreeMap;

use aurochs_api::backup_target::{
    BackupTarget, BackupTargetInput, BackupTargetSync, BackupTargetTest, BackupTargetTestOutput, BackupTargetUpdate,
    SyncBackupResource,
};
use aurochs_api::cause::Cause;
use aurochs_api::schema::Resource;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::{Seen, seen};
use super::confirm::Confirmation;
use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::table::{Cell, Column, Tone};
use super::{Client, Run, age, causes, words};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List backup targets
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs backup-target ls")]
    Ls(List),
    /// Show one backup target
    #[command(after_help = "Example:\n  aurochs backup-target show default")]
    Show(Show),
    /// Add a backup target
    Create(Create),
    /// Change a backup target; what is not said stays
    Set(Create),
    /// Try what backups need: list, write, read, delete
    #[command(after_help = "Example:\n  aurochs backup-target test default")]
    Test(Show),
    /// Read again what is in the target
    #[command(after_help = "Example:\n  aurochs backup-target sync default")]
    Sync(Show),
    /// Forget a backup target; the backups in it stay
    #[command(visible_alias = "delete", after_help = "Example:\n  aurochs backup-target rm offsite")]
    Rm(Remove),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs backup-target create offsite --url s3://bucket@eu-central-1/aurochs --credential AWS_ACCESS_KEY_ID=key.id --credential AWS_SECRET_ACCESS_KEY=key.secret
  aurochs backup-target set default --url nfs://server:/backups

Credentials are secrets: they come from files, and are never told again.")]
pub struct Create {
    /// Name of the target
    name: String,
    /// Where it is: s3://…, nfs://…, cifs://…, azblob://… or vfs:///…; an empty text for nowhere
    #[arg(long)]
    url: Option<String>,
    /// Name of the secret with its credentials; the target's own name where credentials are given
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// A credential (AWS_ACCESS_KEY_ID, CIFS_PASSWORD, …) and the file with its value; can be given several times
    #[arg(long = "credential", value_name = "NAME=FILE", value_parser = words::pair)]
    credentials: Vec<(String, String)>,
    /// Seconds between two readings; 0 for never
    #[arg(long, value_name = "SECONDS")]
    poll_interval: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Remove {
    /// Name of the target
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

impl Listed for BackupTarget {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("AVAILABLE"),
        Column::text("URL"),
        Column::text("POLLED"),
        Column::number("READ"),
        Column::text("CAUSE"),
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
            age::short(&target.last_synced_at).into(),
            causes::cell(&target.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let target = &thing.data;
        vec![
            ("Name", target.name.clone()),
            ("URL", target.backup_target_url.clone()),
            ("Secret", target.credential_secret.clone()),
            ("Credentials", target.credential_keys.join(", ")),
            ("Polled every", target.poll_interval.clone()),
            ("Read", age::long(&target.last_synced_at)),
            ("Available", words::yes_or_no(target.available).to_owned()),
            ("Message", target.message.clone()),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<BackupTarget>(client).await,
            Self::Show(show) => show.one::<BackupTarget>(client).await,
            Self::Create(wishes) => {
                let name = wishes.name.clone();
                let seen = client.api.create::<BackupTarget>(&wishes.input(None)?).await?;
                let sentence = format!("Target {name} is created. `aurochs backup-target test {name}` tries it.");
                client.output.done(&seen.raw, &name, &sentence)
            }
            Self::Set(wishes) => {
                let name = wishes.name.clone();
                let before = client.api.get::<BackupTarget>(&name).await?.thing.data;
                let changed = client.api.act::<BackupTargetUpdate>(&name, &wishes.input(Some(&before))?).await?;
                client.output.done(&changed, &name, &format!("Target {name} is changed."))
            }
            Self::Test(Show { name }) => test(client, &name).await,
            Self::Sync(Show { name }) => {
                let input = SyncBackupResource { sync_backup_target: true, ..SyncBackupResource::default() };
                let answer = client.api.act::<BackupTargetSync>(&name, &input).await?;
                client.output.done(&answer, &name, &format!("Target {name} is being read."))
            }
            Self::Rm(Remove { name, confirmation }) => {
                client.api.get::<BackupTarget>(&name).await?;
                confirmation
                    .ask(&format!("Target {name} is forgotten, with its credentials. Its backups stay in it."))?;
                client.api.delete::<BackupTarget>(&name).await?;
                client.output.done(&Value::Null, &name, &format!("Target {name} is forgotten."))
            }
        }
    }
}

async fn test(client: &Client, name: &str) -> Result<(), Failure> {
    let answer = client.api.act::<BackupTargetTest>(name, &BackupTargetInput::default()).await?;
    let told: Seen<BackupTargetTestOutput> = seen(answer)?;
    let outcome = &told.thing.data;
    if !outcome.usable {
        return Err(Failure::refused(outcome.message.clone(), &outcome.next_step));
    }
    let steps: Vec<&str> = outcome.steps.iter().map(|step| step.name.as_str()).collect();
    client.output.done(&told.raw, name, &format!("Target {name} can be used ({}).", steps.join(", ")))
}

/// All of the file, since a certificate has many lines.
fn value_of(file: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("no credential could be read from {file}: {error}"), "Give a file that you can read.")
    })?;
    Ok(text.trim_end().to_owned())
}

impl Create {
    /// `before`: what stays where nothing is said.
    fn input(self, before: Option<&BackupTarget>) -> Result<BackupTargetInput, Failure> {
        let of = |said: Option<String>, was: fn(&BackupTarget) -> &String| {
            said.unwrap_or_else(|| before.map(was).cloned().unwrap_or_default())
        };
        let mut credentials = BTreeMap::new();
        for (name, file) in self.credentials {
            credentials.insert(name, value_of(&file)?);
        }
        let interval = self.poll_interval.map(|seconds| seconds.to_string());
        let default = before.is_none().then(|| "300".to_owned());
        Ok(BackupTargetInput {
            name: self.name,
            backup_target_url: of(self.url, |target| &target.backup_target_url),
            credential_secret: of(self.secret, |target| &target.credential_secret),
            poll_interval: of(interval.or(default), |target| &target.poll_interval),
            credentials: Some(credentials).filter(|credentials| !credentials.is_empty()),
        })
    }
}
