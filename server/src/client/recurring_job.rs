//! `aurochs recurring-job`

use aurochs_api::action::NoInput;
use aurochs_api::recurring_job::{
    RecurringJob, RecurringJobInput, RecurringJobRun, RecurringJobUpdate, RecurringRun, Task,
};
use aurochs_api::schema::Resource;
use aurochs_api::volume::actions;
use aurochs_api::volume::inputs::VolumeRecurringJobInput;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::seen;
use super::confirm::Confirmation;
use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::progress::Progress;
use super::table::{Cell, Column, Tone};
use super::wait::{Look, Waiting};
use super::{Client, Run, age, words};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List recurring jobs
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs recurring-job ls")]
    Ls(List),
    /// Show one recurring job
    #[command(after_help = "Example:\n  aurochs recurring-job show nightly")]
    Show(Show),
    /// Create a recurring job
    Create(Create),
    /// Change a recurring job; what is not said stays
    Set(Set),
    /// Delete a recurring job; what it has made stays
    #[command(visible_alias = "delete", after_help = "Example:\n  aurochs recurring-job rm nightly")]
    Rm(Remove),
    /// Run a recurring job now, besides its times
    #[command(after_help = "Example:\n  aurochs recurring-job run nightly")]
    Run(RunNow),
    /// Let a volume take part in a recurring job, or in a group of them
    Assign(Assign),
    /// Let a volume take part in a recurring job, or in a group of them, no more
    Unassign(Assign),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs recurring-job create nightly --task snapshot --cron '0 2 * * *' --retain 7 --group default
  aurochs recurring-job create often --task snapshot --cron '@every 15m' --retain 4
  aurochs recurring-job create trim --task filesystem-trim --cron '0 3 ? * SAT'

Times have five fields (minute hour day month weekday), or are @hourly, @daily, …, or @every 6h. The group default is for
volumes that have no job of their own.")]
pub struct Create {
    /// Name of the new job
    name: String,
    /// What it does
    #[arg(long, value_parser = words::of::<Task>())]
    task: String,
    /// When, as cron writes it
    #[arg(long)]
    cron: String,
    /// How many of what it makes are kept for each volume
    #[arg(long, value_name = "NUMBER")]
    retain: Option<i64>,
    /// Volumes it works on at the same time
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    concurrency: i64,
    /// Group of volumes it runs for; can be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Label to put on what it makes; can be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = words::pair)]
    labels: Vec<(String, String)>,
    /// Parameter of the task; can be given several times
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = words::pair)]
    parameters: Vec<(String, String)>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aurochs recurring-job set nightly --cron '30 1 * * *' --retain 14")]
pub struct Set {
    /// Name of the job
    name: String,
    #[command(flatten)]
    wishes: Wishes,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Wishes {
    /// When, as cron writes it
    #[arg(long)]
    cron: Option<String>,
    /// How many of what it makes are kept for each volume
    #[arg(long, value_name = "NUMBER")]
    retain: Option<i64>,
    /// Volumes it works on at the same time
    #[arg(long, value_name = "NUMBER")]
    concurrency: Option<i64>,
    /// Group of volumes it runs for, in place of those it has; can be given several times
    #[arg(long = "group", value_name = "GROUP", conflicts_with = "no_groups")]
    groups: Vec<String>,
    /// It runs for no group
    #[arg(long)]
    no_groups: bool,
    /// Label to put on what it makes, in place of those it has; can be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = words::pair)]
    labels: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub struct Remove {
    /// Name of the job
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(Debug, Args)]
pub struct RunNow {
    /// Name of the job
    name: String,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs recurring-job assign nightly data
  aurochs recurring-job assign --group databases data
  aurochs recurring-job unassign nightly data")]
pub struct Assign {
    /// Name of the job, or of the group
    job: String,
    /// Name of the volume
    volume: String,
    /// The name is a group's
    #[arg(long)]
    group: bool,
}

impl Listed for RecurringJob {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("TASK"),
        Column::text("CRON"),
        Column::number("RETAIN"),
        Column::number("CONCURRENCY").spare(),
        Column::text("GROUPS"),
        Column::number("RUNS"),
        Column::text("LAST RUN").spare(),
        Column::text("NEXT RUN"),
        Column::text("LABELS").wide(),
    ];
    const NONE: &'static str = "There are no recurring jobs.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let job = &thing.data;
        vec![
            job.name.clone().into(),
            job.task.word().into(),
            job.cron.clone().into(),
            job.retain.to_string().into(),
            job.concurrency.to_string().into(),
            job.groups.join(",").into(),
            job.execution_count.to_string().into(),
            last_run(job),
            job.next_runs.first().cloned().unwrap_or_default().into(),
            pairs(&job.labels).into(),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let job = &thing.data;
        vec![
            ("Name", job.name.clone()),
            ("Task", job.task.word().to_owned()),
            ("Cron", job.cron.clone()),
            ("That is", format!("{} ({})", job.schedule, job.time_zone)),
            ("Next runs", job.next_runs.join(", ")),
            ("Retain", job.retain.to_string()),
            ("Concurrency", job.concurrency.to_string()),
            ("Groups", job.groups.join(", ")),
            ("Labels", pairs(&job.labels)),
            ("Parameters", pairs(&job.parameters)),
            ("Runs so far", job.execution_count.to_string()),
            (
                "Running",
                job.run.as_ref().map(|run| format!("since {}", age::long(&run.started_at))).unwrap_or_default(),
            ),
            ("Last run", job.last_run.as_ref().map(told).unwrap_or_default()),
        ]
    }
}

fn last_run(job: &RecurringJob) -> Cell {
    match (&job.run, &job.last_run) {
        (Some(_), _) => Cell::new("running", Tone::Warning),
        (None, Some(run)) if run.outcome == "succeeded" => Cell::new(run.outcome.clone(), Tone::Good),
        (None, Some(run)) => Cell::new(run.outcome.clone(), Tone::Bad),
        (None, None) => Cell::default(),
    }
}

fn told(run: &RecurringRun) -> String {
    format!("{}, for {}: {}", run.outcome, age::long(&run.due), run.message)
}

fn pairs(map: &std::collections::BTreeMap<String, String>) -> String {
    map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<RecurringJob>(client).await,
            Self::Show(show) => show.one::<RecurringJob>(client).await,
            Self::Create(verb) => verb.run(client).await,
            Self::Set(verb) => verb.run(client).await,
            Self::Run(verb) => verb.run(client).await,
            Self::Rm(Remove { name, confirmation }) => {
                client.api.get::<RecurringJob>(&name).await?;
                confirmation
                    .ask(&format!("Recurring job {name} is deleted, also from the volumes that take part in it."))?;
                client.api.delete::<RecurringJob>(&name).await?;
                client.output.done(&Value::Null, &name, &format!("Recurring job {name} is deleted."))
            }
            Self::Assign(Assign { job, volume, group }) => {
                let input = VolumeRecurringJobInput { name: job.clone(), is_group: group };
                let answer = client.api.act::<actions::RecurringJobAdd>(&volume, &input).await?;
                client.output.done(&answer, &volume, &format!("Volume {volume} takes part in {job}."))
            }
            Self::Unassign(Assign { job, volume, group }) => {
                let input = VolumeRecurringJobInput { name: job.clone(), is_group: group };
                let answer = client.api.act::<actions::RecurringJobDelete>(&volume, &input).await?;
                client.output.done(&answer, &volume, &format!("Volume {volume} does not take part in {job} any more."))
            }
        }
    }
}

impl Run for Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        // One is what a task that keeps something needs at least; those that keep nothing take no number.
        let keeps = !matches!(self.task.as_str(), "snapshot-cleanup" | "filesystem-trim");
        let input = RecurringJobInput {
            name: self.name.clone(),
            task: self.task.into(),
            cron: self.cron,
            retain: self.retain.unwrap_or(i64::from(keeps)),
            concurrency: self.concurrency,
            groups: self.groups,
            labels: self.labels.into_iter().collect(),
            parameters: self.parameters.into_iter().collect(),
        };
        let seen = client.api.create::<RecurringJob>(&input).await?;
        client.output.done(&seen.raw, &self.name, &format!("Recurring job {} is created.", self.name))
    }
}

impl Run for Set {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let wishes = self.wishes;
        let input = RecurringJobUpdate {
            cron: wishes.cron,
            retain: wishes.retain,
            concurrency: wishes.concurrency,
            groups: (wishes.no_groups || !wishes.groups.is_empty()).then_some(wishes.groups),
            labels: (!wishes.labels.is_empty()).then(|| wishes.labels.into_iter().collect()),
            ..RecurringJobUpdate::default()
        };
        let seen = client.api.update::<RecurringJob>(&self.name, &Given(input)).await?;
        client.output.done(&seen.raw, &self.name, &format!("Recurring job {} is changed.", self.name))
    }
}

impl Run for RunNow {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        let answer = client.api.act::<RecurringJobRun>(name, &NoInput {}).await?;
        if !self.waiting.is_wanted() {
            return client.output.done(&answer, name, &format!("Recurring job {name} runs."));
        }
        // The run that was asked for, and no later one.
        let asked = seen::<RecurringJob>(answer)?.thing.data.run.map(|run| run.id);
        let what = format!("running recurring job {name}");
        let look = async || {
            let now = client.api.get::<RecurringJob>(name).await?;
            let is_running = now.thing.data.run.as_ref().map(|run| &run.id) == asked.as_ref();
            if is_running { Ok(Look::GoesOn(Progress::at(&*what))) } else { Ok(Look::Done(now)) }
        };
        let ended = self.waiting.patience().until(&what, look).await?;
        match &ended.thing.data.last_run {
            Some(run) if Some(&run.id) == asked.as_ref() && run.outcome != "succeeded" => {
                let next_step = "`aurochs job ls --kind recurringRun` has its log.";
                Err(Failure::refused(format!("recurring job {name} has {}: {}", run.outcome, run.message), next_step))
            }
            Some(run) => {
                client.output.done(&ended.raw, name, &format!("Recurring job {name} has run: {}", run.message))
            }
            None => client.output.done(&ended.raw, name, &format!("Recurring job {name} has run.")),
        }
    }
}

/// Only what was said: null and an empty task would be values.
struct Given(RecurringJobUpdate);

impl serde::Serialize for Given {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serde_json::to_value(&self.0).map_err(serde::ser::Error::custom)?;
        if let Some(fields) = all.as_object_mut() {
            fields.retain(|_, value| !value.is_null() && value != "");
        }
        all.serialize(serializer)
    }
}
