//! `aurochs backup`: of volumes, in all targets.

mod files;

use aurochs_api::backup::{Backup, BackupInput, BackupState, BackupVerifyInput};
use aurochs_api::backup_volume::{BackupDelete, BackupVerify, BackupVolume};
use aurochs_api::cause::Cause;
use aurochs_api::job::Job;
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;
use aurochs_api::snapshot::{SnapshotCr, SnapshotCrInput, SnapshotInput};
use aurochs_api::volume::{Volume, VolumeCreateInput, actions};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::{Seen, seen};
use super::confirm::Confirmation;
use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::progress::Progress;
use super::table::{Cell, Column, Tone};
use super::wait::{Look, Waiting};
use super::{Client, Run, age, causes, job, volume, words};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List backups, of one volume or of all
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show one backup
    #[command(after_help = "Example:\n  aurochs backup show backup-0123456789abcdef")]
    Show(Show),
    /// Back up a volume: a snapshot that there is, or one that is taken now
    Create(Create),
    /// Delete a backup, with the data that no other backup needs
    #[command(visible_alias = "rm")]
    Delete(Delete),
    /// Make a volume of a backup
    Restore(Restore),
    /// List the volumes that have backups
    #[command(after_help = "Example:\n  aurochs backup volumes")]
    Volumes(List),
    /// Read a backup, or some of its blocks, to see whether it could be restored
    Verify(Verify),
    /// Look at files inside a backup, and take them out
    #[command(subcommand)]
    Files(files::Command),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs backup ls
  aurochs backup ls data
  aurochs backup ls data --target offsite -o name")]
pub struct Ls {
    /// Name of the volume; all without it
    volume: Option<String>,
    /// Only those in this target
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs backup create data
  aurochs backup create data --snapshot before-upgrade --label app=shop
  aurochs backup create data --full

A detached volume is attached for it.")]
pub struct Create {
    /// Name of the volume
    volume: String,
    /// Snapshot to back up; one is taken otherwise
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// Send everything again, also what is there: heals what the store lost or damaged
    #[arg(long)]
    full: bool,
    /// Label to put on it; can be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = words::pair)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs backup delete backup-0123456789abcdef")]
pub struct Delete {
    /// Name of the backup
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs backup restore backup-0123456789abcdef data-restored
  aurochs backup restore backup-0123456789abcdef data-dr --standby --replicas 2

A standby volume follows the backups of its volume until it is activated (aurochs volume activate).")]
pub struct Restore {
    /// Name of the backup, or its URL
    backup: String,
    /// Name of the new volume
    volume: String,
    /// Number of replicas; without it, as many as new volumes get (setting default-replica-count)
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    replicas: u32,
    /// It follows the newest backup until it is activated
    #[arg(long)]
    standby: bool,
    /// It can be attached at once: its data comes on demand, and in the background
    #[arg(long, conflicts_with = "standby")]
    instant: bool,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs backup verify backup-0123456789abcdef
  aurochs backup verify backup-0123456789abcdef --sample 100

It is a job, which reads the blocks out of the target and changes nothing.")]
pub struct Verify {
    /// Name of the backup
    name: String,
    /// Blocks to read, chosen by chance; all without it
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
    #[command(flatten)]
    waiting: Waiting,
}

impl Listed for Backup {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("VOLUME"),
        Column::text("STATE"),
        Column::number("SIZE"),
        Column::number("SENT"),
        Column::number("AGE"),
        Column::text("SNAPSHOT"),
        Column::text("TARGET"),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "There are no backups.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let backup = &thing.data;
        let (state, tone) = state(backup);
        vec![
            backup.name.clone().into(),
            backup.volume_name.clone().into(),
            Cell::new(state, tone),
            bytes(&backup.size).into(),
            bytes(&backup.newly_upload_data_size).into(),
            age::short(&backup.snapshot_created).into(),
            backup.snapshot_name.clone().into(),
            backup.backup_target_name.clone().into(),
            causes::cell(&backup.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let backup = &thing.data;
        let labels: Vec<String> = backup.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![
            ("Name", backup.name.clone()),
            ("Volume", backup.volume_name.clone()),
            ("Target", backup.backup_target_name.clone()),
            ("State", state(backup).0),
            ("Begun", age::long(&backup.snapshot_created)),
            ("Complete", age::long(&backup.created)),
            ("Snapshot", backup.snapshot_name.clone()),
            ("Mode", backup.backup_mode.clone()),
            ("Size", bytes(&backup.size)),
            ("Newly sent", bytes(&backup.newly_upload_data_size)),
            ("Compression", backup.compression_method.clone()),
            ("Block size", bytes(&backup.block_size)),
            ("Labels", labels.join(",")),
            ("URL", backup.url.clone()),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

impl Listed for BackupVolume {
    const COLUMNS: &'static [Column] = &[
        Column::text("VOLUME"),
        Column::text("TARGET"),
        Column::number("SIZE"),
        Column::number("STORED"),
        Column::text("LAST BACKUP"),
        Column::number("AGE"),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "No volume has backups.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let volume = &thing.data;
        vec![
            volume.volume_name.clone().into(),
            volume.backup_target_name.clone().into(),
            bytes(&volume.size).into(),
            bytes(&volume.data_stored).into(),
            volume.last_backup_name.clone().into(),
            age::short(&volume.last_backup_at).into(),
            causes::cell(&volume.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let volume = &thing.data;
        vec![
            ("Volume", volume.volume_name.clone()),
            ("Target", volume.backup_target_name.clone()),
            ("Size", bytes(&volume.size)),
            ("Stored", bytes(&volume.data_stored)),
            ("Last backup", volume.last_backup_name.clone()),
            ("Begun", age::long(&volume.last_backup_at)),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

/// Empty where it is not known.
fn bytes(text: &str) -> String {
    text.parse::<u64>().map(|bytes| ByteSize(bytes).to_string()).unwrap_or_default()
}

fn state(backup: &Backup) -> (String, Tone) {
    match backup.state {
        BackupState::New | BackupState::Pending => ("waiting".to_owned(), Tone::Warning),
        BackupState::InProgress => (format!("{} %", backup.progress), Tone::Warning),
        BackupState::Completed => ("complete".to_owned(), Tone::Good),
        BackupState::Error => ("failed".to_owned(), Tone::Bad),
        BackupState::Unknown => ("not complete".to_owned(), Tone::Warning),
        BackupState::Deleting => ("deleting".to_owned(), Tone::Dim),
    }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(Ls { volume, target, list }) => {
                list.of(client, async || all(client, volume.as_deref(), target.as_deref()).await).await
            }
            Self::Show(show) => show.one::<Backup>(client).await,
            Self::Create(verb) => verb.run(client).await,
            Self::Delete(verb) => verb.run(client).await,
            Self::Restore(verb) => verb.run(client).await,
            Self::Volumes(list) => list.all::<BackupVolume>(client).await,
            Self::Verify(verb) => verb.run(client).await,
            Self::Files(verb) => verb.run(client).await,
        }
    }
}

/// By volume, the oldest first.
async fn all(client: &Client, volume: Option<&str>, target: Option<&str>) -> Result<Vec<Seen<Backup>>, Failure> {
    let mut all = client.api.list::<Backup>().await?;
    all.retain(|seen| {
        let backup = &seen.thing.data;
        volume.is_none_or(|volume| backup.volume_name == volume)
            && target.is_none_or(|target| backup.backup_target_name == target)
    });
    all.sort_by_cached_key(|seen| {
        let backup = &seen.thing.data;
        // One that has not begun has no time, and comes last.
        let begun = age::seconds(&backup.snapshot_created).unwrap_or(i64::MAX);
        (backup.volume_name.clone(), begun, backup.name.clone())
    });
    Ok(all)
}

impl Run for Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let volume = &self.volume;
        let snapshot = match self.snapshot {
            Some(snapshot) => snapshot,
            None => {
                let input = SnapshotCrInput::default();
                let taken: Seen<SnapshotCr> = seen(client.api.act::<actions::SnapshotCrCreate>(volume, &input).await?)?;
                taken.thing.data.name
            }
        };
        let before: Vec<String> = names(&all(client, Some(volume), None).await?);
        let input = SnapshotInput {
            name: snapshot.clone(),
            labels: Some(self.labels.into_iter().collect()),
            backup_mode: if self.full { "full" } else { "incremental" }.to_owned(),
        };
        client.api.act::<actions::SnapshotBackup>(volume, &input).await?;
        let what = format!("backing up volume {volume}");
        // The action answers with the volume: the backup is the new one of this snapshot.
        let is_it = |seen: &Seen<Backup>| !before.contains(&seen.thing.data.name);
        let made = all(client, Some(volume), None).await?.into_iter().rev().find(is_it);
        let Some(made) = made else {
            let sentence = format!("Volume {volume} is to be backed up.");
            return client.output.done(&Value::Null, volume, &sentence);
        };
        let name = made.thing.data.name.clone();
        if !self.waiting.is_wanted() {
            let sentence = format!("Snapshot {snapshot} of volume {volume} is to be backed up as {name}.");
            return client.output.done(&made.raw, &name, &sentence);
        }
        let look = async || {
            let seen = client.api.get::<Backup>(&name).await?;
            let backup = &seen.thing.data;
            match backup.state {
                BackupState::Completed => Ok(Look::Done(seen)),
                BackupState::Error => {
                    let next_step = backup.causes.first().map(|cause| cause.next_step.clone()).unwrap_or_default();
                    Err(Failure::refused(format!("{what} failed: {}", backup.error), &next_step))
                }
                _ => Ok(Look::GoesOn(progress(backup, &what))),
            }
        };
        let done = self.waiting.patience().until(&what, look).await?;
        client.output.done(&done.raw, &name, &format!("Volume {volume} is backed up as {name}."))
    }
}

fn names(all: &[Seen<Backup>]) -> Vec<String> {
    all.iter().map(|seen| seen.thing.data.name.clone()).collect()
}

fn progress(backup: &Backup, what: &str) -> Progress {
    if backup.planned_bytes == ByteSize::ZERO {
        let why = if backup.error.is_empty() { what.to_owned() } else { format!("{what}: {}", backup.error) };
        return Progress::at(why);
    }
    Progress {
        done: backup.done_bytes,
        planned: Some(backup.planned_bytes),
        percent: Some(backup.progress.into()),
        ..Progress::at(what)
    }
}

/// The backup volume that it belongs to.
async fn volume_of(client: &Client, backup: &Backup) -> Result<String, Failure> {
    let volumes = client.api.list::<BackupVolume>().await?;
    let is_it = |seen: &&Seen<BackupVolume>| {
        let volume = &seen.thing.data;
        volume.volume_name == backup.volume_name && volume.backup_target_name == backup.backup_target_name
    };
    volumes.iter().find(is_it).map(|seen| seen.thing.data.name.clone()).ok_or_else(|| {
        Failure::refused(format!("backup {} has no backup volume yet", backup.name), "Try again in a moment.")
    })
}

impl Run for Delete {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        let found = client.api.get::<Backup>(name).await?.thing.data;
        let (volume, target) = (&found.volume_name, &found.backup_target_name);
        self.confirmation.ask(&format!("Backup {name} of volume {volume} in {target} can't be brought back."))?;
        let of = volume_of(client, &found).await?;
        let input = BackupInput { name: name.clone() };
        let answer = client.api.act::<BackupDelete>(&of, &input).await?;
        client.output.done(&answer, name, &format!("Backup {name} of volume {volume} is being deleted."))
    }
}

impl Run for Verify {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        let found = client.api.get::<Backup>(name).await?.thing.data;
        let of = volume_of(client, &found).await?;
        let input = BackupVerifyInput { name: name.clone(), sample: self.sample.unwrap_or_default() };
        let begun: Seen<Job> = seen(client.api.act::<BackupVerify>(&of, &input).await?)?;
        let id = begun.thing.id;
        if !self.waiting.is_wanted() {
            return client.output.done(&begun.raw, &id, &format!("Job {id} verifies backup {name}."));
        }
        job::watch(client, &id, self.waiting.patience()).await
    }
}

impl Run for Restore {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let url = if self.backup.contains("://") {
            self.backup.clone()
        } else {
            client.api.get::<Backup>(&self.backup).await?.thing.data.url
        };
        let name = &self.volume;
        let input = VolumeCreateInput {
            name: name.clone(),
            from_backup: url,
            number_of_replicas: self.replicas,
            standby: self.standby,
            instant_restore: self.instant,
            ..VolumeCreateInput::default()
        };
        let made = client.api.create::<Volume>(&input).await?;
        if self.standby || !self.waiting.is_wanted() {
            let follows = if self.standby { "follows" } else { "is being restored from" };
            let sentence = format!("Volume {name} {follows} backup {}.", self.backup);
            return client.output.done(&made.raw, name, &sentence);
        }
        let what = format!("restoring volume {name}");
        let is_done = |volume: &Volume| Ok(volume.restore_initiated && !volume.restore_required);
        let seen = volume::until(client, name, &what, self.waiting.patience(), is_done).await?;
        let how = if self.instant {
            "is being restored and can be attached already"
        } else {
            "is restored; it can be attached"
        };
        client.output.done(&seen.raw, name, &format!("Volume {name} {how}."))
    }
}
