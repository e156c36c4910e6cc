//! `aurochs snapshot`: of attached and of detached volumes, as the API has them as resources.

use std::collections::BTreeMap;

use aurochs_api::action::NoInput;
use aurochs_api::cause::Cause;
use aurochs_api::schema::Resource;
use aurochs_api::snapshot::{SnapshotCr, SnapshotCrInput, SnapshotInput};
use aurochs_api::volume::{Volume, actions};
use clap::{Args, Subcommand};

use super::api::{Seen, all_of, seen};
use super::confirm::Confirmation;
use super::failure::Failure;
use super::list::{List, Listed};
use super::progress::Progress;
use super::table::{Cell, Column, Tone};
use super::wait::{Look, MOMENTS, Waiting};
use super::{Client, Run, age, causes, volume, words};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the snapshots of a volume
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show one snapshot
    #[command(after_help = "Example:\n  aurochs snapshot show data before-upgrade")]
    Show(Named),
    /// Take a snapshot; a detached volume is attached for it
    Create(Create),
    /// Remove a snapshot
    #[command(visible_alias = "delete")]
    Rm(Remove),
    /// Let the volume hold again what it held when the snapshot was taken
    Revert(Revert),
    /// Merge away what removed snapshots still hold, to give its space back
    Purge(Purge),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs snapshot ls data
  aurochs snapshot ls data -o name")]
pub struct Ls {
    /// Name of the volume
    volume: String,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Args)]
pub struct Named {
    /// Name of the volume
    volume: String,
    /// Name of the snapshot
    snapshot: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs snapshot create data before-upgrade
  aurochs snapshot create data --label app=shop")]
pub struct Create {
    /// Name of the volume
    volume: String,
    /// Name of the snapshot; one is made up otherwise
    snapshot: Option<String>,
    /// Label to put on it; can be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = words::pair)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  aurochs snapshot rm data before-upgrade

Its space comes back when the volume is purged, which the manager does by itself unless told otherwise.")]
pub struct Remove {
    #[command(flatten)]
    which: Named,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs volume attach data node-1 --maintenance
  aurochs snapshot revert data before-upgrade

The volume has to be attached in maintenance, so that nobody writes meanwhile.")]
pub struct Revert {
    #[command(flatten)]
    which: Named,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs snapshot purge data")]
pub struct Purge {
    /// Name of the volume, which is attached
    volume: String,
    #[command(flatten)]
    waiting: Waiting,
}

impl Listed for SnapshotCr {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("STATE"),
        Column::number("SIZE"),
        Column::number("AGE"),
        Column::text("MADE BY"),
        Column::text("PARENT").spare(),
        Column::text("LABELS").wide(),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "The volume has no snapshots.";

    fn name(thing: &Resource<Self>) -> String {
        thing.data.name.clone()
    }

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let snapshot = &thing.data;
        let (state, tone) = state(snapshot);
        vec![
            snapshot.name.clone().into(),
            Cell::new(state, tone),
            snapshot.size.to_string().into(),
            age::short(&snapshot.creation_time).into(),
            maker(snapshot).into(),
            snapshot.parent.clone().into(),
            labels(snapshot).into(),
            causes::cell(&snapshot.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let snapshot = &thing.data;
        let children: Vec<&str> = snapshot.children.keys().map(String::as_str).collect();
        vec![
            ("Name", snapshot.name.clone()),
            ("Volume", snapshot.volume.clone()),
            ("State", state(snapshot).0.to_owned()),
            ("Taken", age::long(&snapshot.creation_time)),
            ("Made by", maker(snapshot).to_owned()),
            ("Size", format!("{} in this layer alone", snapshot.size)),
            ("Parent", snapshot.parent.clone()),
            ("Children", children.join(", ")),
            ("Labels", labels(snapshot)),
            ("Checksum", snapshot.checksum.clone()),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

fn state(snapshot: &SnapshotCr) -> (&'static str, Tone) {
    match (snapshot.mark_removed, snapshot.ready_to_use, snapshot.error.is_empty()) {
        (true, ..) => ("removed", Tone::Dim),
        (_, _, false) => ("failed", Tone::Bad),
        (_, true, _) => ("ready", Tone::Good),
        (_, false, _) => ("waiting", Tone::Warning),
    }
}

const fn maker(snapshot: &SnapshotCr) -> &'static str {
    if snapshot.user_created { "user" } else { "system" }
}

fn labels(snapshot: &SnapshotCr) -> String {
    snapshot.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(Ls { volume, list }) => list.of(client, async || all(client, &volume).await).await,
            Self::Show(named) => client.output.one(&get(client, &named.volume, &named.snapshot).await?),
            Self::Create(verb) => verb.run(client).await,
            Self::Rm(verb) => verb.run(client).await,
            Self::Revert(verb) => verb.run(client).await,
            Self::Purge(verb) => verb.run(client).await,
        }
    }
}

/// The oldest first; of those of the same second the lower one.
async fn all(client: &Client, volume: &str) -> Result<Vec<Seen<SnapshotCr>>, Failure> {
    let all: Vec<Seen<SnapshotCr>> = all_of(client.api.act::<actions::SnapshotCrList>(volume, &NoInput {}).await?)?;
    let parents: BTreeMap<String, String> =
        all.iter().map(|seen| (seen.thing.data.name.clone(), seen.thing.data.parent.clone())).collect();
    let mut sorted = all;
    sorted.sort_by_cached_key(|seen| {
        let snapshot = &seen.thing.data;
        // One that is not taken yet has no time, and comes last.
        let taken = age::seconds(&snapshot.creation_time).unwrap_or(i64::MAX);
        (taken, height(&snapshot.name, &parents), snapshot.name.clone())
    });
    Ok(sorted)
}

/// Snapshots below it. A chain that bites its own tail, which no volume has, ends all the same.
fn height(name: &str, parents: &BTreeMap<String, String>) -> usize {
    let below = std::iter::successors(parents.get(name), |parent| parents.get(*parent));
    below.take(parents.len()).count()
}

async fn get(client: &Client, volume: &str, snapshot: &str) -> Result<Seen<SnapshotCr>, Failure> {
    let input = SnapshotCrInput { name: snapshot.to_owned(), ..SnapshotCrInput::default() };
    seen(client.api.act::<actions::SnapshotCrGet>(volume, &input).await?)
}

impl Run for Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let volume = &self.volume;
        let labels = self.labels.into_iter().collect();
        let input = SnapshotCrInput { name: self.snapshot.unwrap_or_default(), labels };
        let asked: Seen<SnapshotCr> = seen(client.api.act::<actions::SnapshotCrCreate>(volume, &input).await?)?;
        let name = &asked.thing.data.name;
        if !self.waiting.is_wanted() {
            return client.output.done(
                &asked.raw,
                name,
                &format!("Snapshot {name} of volume {volume} is to be taken."),
            );
        }
        let what = format!("taking snapshot {name} of volume {volume}");
        let look = async || {
            let seen = get(client, volume, name).await?;
            let snapshot = &seen.thing.data;
            if !snapshot.error.is_empty() {
                return Err(Failure::refused(format!("{what} failed: {}", snapshot.error), ""));
            }
            if snapshot.ready_to_use {
                return Ok(Look::Done(seen));
            }
            let waits =
                snapshot.causes.first().map_or_else(|| what.clone(), |cause| format!("{what}: {}", cause.message));
            Ok(Look::GoesOn(Progress::at(waits)))
        };
        let taken = self.waiting.patience().or(MOMENTS).until(&what, look).await?;
        client.output.done(&taken.raw, name, &format!("Snapshot {name} of volume {volume} is taken."))
    }
}

impl Run for Remove {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Named { volume, snapshot } = &self.which;
        let held = get(client, volume, snapshot).await?.thing.data.size;
        self.confirmation.ask(&format!("Snapshot {snapshot} of volume {volume} ({held}) can't be brought back."))?;
        let input = SnapshotCrInput { name: snapshot.clone(), ..SnapshotCrInput::default() };
        let answer = client.api.act::<actions::SnapshotCrDelete>(volume, &input).await?;
        client.output.done(&answer, snapshot, &format!("Snapshot {snapshot} of volume {volume} is removed."))
    }
}

impl Run for Revert {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Named { volume, snapshot } = &self.which;
        let taken = age::long(&get(client, volume, snapshot).await?.thing.data.creation_time);
        self.confirmation.ask(&format!(
            "Volume {volume} goes back to snapshot {snapshot}, taken {taken}. What was written since the last snapshot \
             is lost."
        ))?;
        let input = SnapshotInput { name: snapshot.clone(), ..SnapshotInput::default() };
        let answer = client.api.act::<actions::SnapshotRevert>(volume, &input).await?;
        client.output.done(&answer, snapshot, &format!("Volume {volume} holds what snapshot {snapshot} holds."))
    }
}

impl Run for Purge {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.volume;
        let answer = client.api.act::<actions::SnapshotPurge>(name, &NoInput {}).await?;
        if !self.waiting.is_wanted() {
            return client.output.done(&answer, name, &format!("Volume {name} is being purged."));
        }
        let what = format!("purging volume {name}");
        let is_done = |volume: &Volume| {
            let failed = volume.purge_status.iter().flatten().find(|nested| !nested.data.error.is_empty());
            match failed {
                Some(status) => Err(Failure::refused(format!("{what} failed: {}", status.data.error), "")),
                None => Ok(!volume::purges(volume)),
            }
        };
        let seen = volume::until(client, name, &what, self.waiting.patience(), is_done).await?;
        client.output.done(&seen.raw, name, &format!("Volume {name} is purged."))
    }
}
