//! `aurochs system-backup`: everything that an installation is, but for the data of its volumes, which is in their backups.

use aurochs_api::cause::Cause;
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;
use aurochs_api::system_backup::{SystemBackup, SystemBackupCreateInput, SystemBackupState, VolumeBackupPolicy};
use aurochs_api::system_restore::{SystemRestore, SystemRestoreCreateInput, SystemRestoreState};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::confirm::Confirmation;
use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::progress::Progress;
use super::table::{Cell, Column, Tone};
use super::wait::{Look, Waiting};
use super::{Client, Run, age, causes};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List system backups
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs system-backup ls")]
    Ls(List),
    /// Show one system backup
    #[command(after_help = "Example:\n  aurochs system-backup show before-upgrade")]
    Show(Show),
    /// Back the system up: settings, backup targets, recurring jobs, volumes
    Create(Create),
    /// Delete a system backup; the backups of the volumes stay
    #[command(visible_alias = "rm")]
    Delete(Delete),
    /// Bring back what is in a system backup; all volumes have to be detached
    Restore(Restore),
    /// List restores of the system
    #[command(after_help = "Example:\n  aurochs system-backup restores")]
    Restores(List),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs system-backup create before-upgrade
  aurochs system-backup create nightly --volumes always

It is kept in the backup target named default. Volumes are backed up first, unless --volumes says otherwise.")]
pub struct Create {
    /// Name of the system backup
    name: String,
    /// Which volumes are backed up with it: if-not-present (those that changed or have no backup), always, disabled
    #[arg(long, value_name = "POLICY", default_value = "if-not-present")]
    volumes: String,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs system-backup delete before-upgrade")]
pub struct Delete {
    /// Name of the system backup
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs system-backup restore before-upgrade
  aurochs system-backup restore before-upgrade --name second-try --no-wait

Volumes that are here stay as they are; missing ones are made and filled from their last backups, which goes on when this
is done. Settings, recurring jobs and other backup targets become what the backup says. Credentials are in no backup.")]
pub struct Restore {
    /// Name of the system backup
    system_backup: String,
    /// Name of the restore; that of the system backup, and a number, otherwise
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    waiting: Waiting,
}

impl Listed for SystemBackup {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("VERSION"),
        Column::text("STATE"),
        Column::number("AGE"),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "There are no system backups.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let backup = &thing.data;
        let (word, tone) = state(backup.state);
        vec![
            backup.name.clone().into(),
            backup.version.clone().into(),
            Cell::new(word, tone),
            age::short(&backup.created_at).into(),
            causes::cell(&backup.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let backup = &thing.data;
        vec![
            ("Name", backup.name.clone()),
            ("Version", backup.version.clone()),
            ("Made by", backup.manager_image.clone()),
            ("State", state(backup.state).0.to_owned()),
            ("Complete", age::long(&backup.created_at)),
            ("Volumes", word(backup.volume_backup_policy).to_owned()),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

impl Listed for SystemRestore {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("SYSTEM BACKUP"),
        Column::text("STATE"),
        Column::number("AGE"),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "The system was never restored.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let restore = &thing.data;
        let (word, tone) = restoring(restore.state);
        vec![
            restore.name.clone().into(),
            restore.system_backup.clone().into(),
            Cell::new(word, tone),
            age::short(&restore.created_at).into(),
            causes::cell(&restore.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let restore = &thing.data;
        vec![
            ("Name", restore.name.clone()),
            ("System backup", restore.system_backup.clone()),
            ("State", restoring(restore.state).0.to_owned()),
            ("Begun", age::long(&restore.created_at)),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

const fn state(state: SystemBackupState) -> (&'static str, Tone) {
    match state {
        SystemBackupState::New | SystemBackupState::Syncing => ("waiting", Tone::Warning),
        SystemBackupState::CreatingVolumeBackups => ("backing volumes up", Tone::Warning),
        SystemBackupState::CreatingBackingImageBackups => ("backing images up", Tone::Warning),
        SystemBackupState::Generating => ("collecting", Tone::Warning),
        SystemBackupState::Uploading => ("sending", Tone::Warning),
        SystemBackupState::Ready => ("complete", Tone::Good),
        SystemBackupState::Error => ("failed", Tone::Bad),
        SystemBackupState::Deleting => ("deleting", Tone::Dim),
    }
}

const fn restoring(state: SystemRestoreState) -> (&'static str, Tone) {
    match state {
        SystemRestoreState::New | SystemRestoreState::Pending => ("waiting", Tone::Warning),
        SystemRestoreState::Initializing | SystemRestoreState::Downloading => ("fetching", Tone::Warning),
        SystemRestoreState::Unpacking => ("unpacking", Tone::Warning),
        SystemRestoreState::Restoring | SystemRestoreState::InProgress => ("restoring", Tone::Warning),
        SystemRestoreState::Completed => ("complete", Tone::Good),
        SystemRestoreState::Error => ("failed", Tone::Bad),
        SystemRestoreState::Unknown => ("unknown", Tone::Warning),
        SystemRestoreState::Deleting => ("deleting", Tone::Dim),
    }
}

const fn word(policy: VolumeBackupPolicy) -> &'static str {
    match policy {
        VolumeBackupPolicy::IfNotPresent => "if-not-present",
        VolumeBackupPolicy::Always => "always",
        VolumeBackupPolicy::Disabled => "disabled",
    }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<SystemBackup>(client).await,
            Self::Show(show) => show.one::<SystemBackup>(client).await,
            Self::Create(verb) => verb.run(client).await,
            Self::Delete(verb) => verb.run(client).await,
            Self::Restore(verb) => verb.run(client).await,
            Self::Restores(list) => list.all::<SystemRestore>(client).await,
        }
    }
}

/// What a thing that failed says, and what to do.
fn failed(what: &str, error: &str, causes: &[Cause]) -> Failure {
    let next_step = causes.first().map(|cause| cause.next_step.clone()).unwrap_or_default();
    Failure::refused(format!("{what} failed: {error}"), &next_step)
}

impl Run for Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        let input = SystemBackupCreateInput { name: name.clone(), volume_backup_policy: self.volumes };
        let made = client.api.create::<SystemBackup>(&input).await?;
        if !self.waiting.is_wanted() {
            return client.output.done(&made.raw, name, &format!("System backup {name} is being made."));
        }
        let what = format!("making system backup {name}");
        let look = async || {
            let seen = client.api.get::<SystemBackup>(name).await?;
            let backup = &seen.thing.data;
            match backup.state {
                SystemBackupState::Ready => Ok(Look::Done(seen)),
                SystemBackupState::Error => Err(failed(&what, &backup.error, &backup.causes)),
                _ => Ok(Look::GoesOn(progress(backup, &what))),
            }
        };
        let done = self.waiting.patience().until(&what, look).await?;
        client.output.done(&done.raw, name, &format!("System backup {name} is complete."))
    }
}

fn progress(backup: &SystemBackup, what: &str) -> Progress {
    let what = format!("{what}: {}", state(backup.state).0);
    if backup.planned_bytes == ByteSize::ZERO {
        return Progress::at(what);
    }
    Progress { done: backup.done_bytes, planned: Some(backup.planned_bytes), ..Progress::at(what) }
}

impl Run for Delete {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        client.api.get::<SystemBackup>(name).await?;
        self.confirmation.ask(&format!("System backup {name} can't be brought back."))?;
        client.api.delete::<SystemBackup>(name).await?;
        client.output.done(&Value::Null, name, &format!("System backup {name} is being deleted."))
    }
}

impl Run for Restore {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let backup = &self.system_backup;
        client.api.get::<SystemBackup>(backup).await?;
        self.confirmation.ask(&format!(
            "Settings, recurring jobs and backup targets become what they were in system backup {backup}."
        ))?;
        let name = match self.name {
            Some(name) => name,
            None => free_name(client, backup).await?,
        };
        let input = SystemRestoreCreateInput { name: name.clone(), system_backup: backup.clone() };
        let made = client.api.create::<SystemRestore>(&input).await?;
        if !self.waiting.is_wanted() {
            let sentence = format!("System backup {backup} is being restored as {name}.");
            return client.output.done(&made.raw, &name, &sentence);
        }
        let what = format!("restoring system backup {backup}");
        let look = async || {
            let seen = client.api.get::<SystemRestore>(&name).await?;
            let restore = &seen.thing.data;
            match restore.state {
                SystemRestoreState::Completed => Ok(Look::Done(seen)),
                SystemRestoreState::Error => Err(failed(&what, &restore.error, &restore.causes)),
                state => Ok(Look::GoesOn(Progress::at(format!("{what}: {}", restoring(state).0)))),
            }
        };
        let done = self.waiting.patience().until(&what, look).await?;
        let left_out = done.thing.data.causes.iter().flat_map(|cause| &cause.details);
        let left_out: String = left_out.map(|detail| format!(" Left out: {}.", detail.text)).collect();
        let sentence =
            format!("System backup {backup} is restored; volumes are filled from their backups now.{left_out}");
        client.output.done(&done.raw, &name, &sentence)
    }
}

/// `<system backup>-1`, or with the next number that nobody has.
async fn free_name(client: &Client, backup: &str) -> Result<String, Failure> {
    let taken = client.api.list::<SystemRestore>().await?;
    let is_free = |name: &String| taken.iter().all(|seen| seen.thing.data.name != *name);
    let name = (1..=taken.len() + 1).map(|number| format!("{backup}-{number}")).find(is_free);
    Ok(name.unwrap_or_else(|| backup.to_owned()))
}
