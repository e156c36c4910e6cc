//! `aurochs job`: everything that takes long, now and before.

use aurochs_api::cause::Cause;
use aurochs_api::job::{Cancel, Job, JobKind, JobState};
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;
use clap::{Args, Subcommand};

use super::failure::Failure;
use super::http::query;
use super::list::{List, Listed, Show};
use super::progress::Progress;
use super::table::{Cell, Column, Tone};
use super::wait::{Look, Patience};
use super::{Client, Run, age, causes, duration, words};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List jobs, the latest first
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show one job: phases, bytes, outcome
    #[command(after_help = "Example:\n  aurochs job show 42")]
    Show(Show),
    /// Print what a job has said
    #[command(after_help = "Example:\n  aurochs job logs 42")]
    Logs(Show),
    /// Follow a job with a progress bar until it ends; fails when the job fails
    #[command(after_help = "Example:\n  aurochs job watch 42 --timeout 1h")]
    Watch(Watch),
    /// Ask a job to end
    #[command(after_help = "Example:\n  aurochs job cancel 42")]
    Cancel(Show),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs job ls --state running --watch
  aurochs job ls --volume data --kind rebuild,purge --from 2026-11-01T00:00:00Z")]
pub struct Ls {
    /// Only those of a volume
    #[arg(long)]
    volume: Option<String>,
    /// Only those of a node
    #[arg(long)]
    node: Option<String>,
    /// Only of these kinds
    #[arg(long, value_delimiter = ',', value_parser = words::of::<JobKind>(), value_name = "KIND")]
    kind: Vec<String>,
    /// Only in these states
    #[arg(long, value_delimiter = ',', value_parser = words::of::<JobState>(), value_name = "STATE")]
    state: Vec<String>,
    /// Only begun by user, user:NAME, recurringJob, recurringJob:NAME or system
    #[arg(long, value_name = "WHO")]
    started_by: Option<String>,
    /// Only begun at this time or later, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only begun before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "NUMBER")]
    limit: u32,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Args)]
pub struct Watch {
    /// Its number
    job: String,
    #[command(flatten)]
    patience: Patience,
}

impl Listed for Job {
    const COLUMNS: &'static [Column] = &[
        Column::number("JOB"),
        Column::text("KIND"),
        Column::text("STATE"),
        Column::text("OF"),
        Column::number("DONE"),
        Column::number("LEFT"),
        Column::number("AGE"),
        Column::number("TOOK").spare(),
        Column::text("STARTED BY").spare(),
        Column::text("NODE").wide(),
        Column::text("MESSAGE"),
    ];
    const NONE: &'static str = "There are no such jobs.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let job = &thing.data;
        let message =
            if job.message.is_empty() { phase(job).into() } else { Cell::new(job.message.clone(), Tone::Bad) };
        vec![
            thing.id.clone().into(),
            job.kind.word().into(),
            Cell::new(job.state.word(), tone(job.state)),
            job.object.clone().into(),
            done(job).into(),
            job.seconds_left.map(duration::words).unwrap_or_default().into(),
            age::short(&job.started_at).into(),
            took(job).into(),
            starter(job).into(),
            job.node.clone().into(),
            message,
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let job = &thing.data;
        let phases: Vec<String> =
            job.phases.iter().map(|phase| format!("{} ({} ago)", phase.name, age::short(&phase.at))).collect();
        let cancel =
            if job.cancel_asked_by.is_empty() { String::new() } else { format!("asked by {}", job.cancel_asked_by) };
        vec![
            ("Job", thing.id.clone()),
            ("Kind", job.kind.word().to_owned()),
            ("State", job.state.word().to_owned()),
            ("Of", job.object.clone()),
            ("Volume", job.volume.clone()),
            ("Node", job.node.clone()),
            ("Started by", starter(job)),
            ("Started", age::long(&job.started_at)),
            ("Ended", age::long(&job.ended_at)),
            ("Took", took(job)),
            ("Phases", phases.join(", ")),
            ("Done", told(job)),
            ("Cancelled", cancel),
            ("Message", job.message.clone()),
            ("Next", job.next_step.clone()),
        ]
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

const fn tone(state: JobState) -> Tone {
    match state {
        JobState::Running => Tone::Warning,
        JobState::Succeeded => Tone::Good,
        JobState::Failed => Tone::Bad,
        JobState::Cancelled | JobState::Interrupted => Tone::Dim,
    }
}

fn phase(job: &Job) -> String {
    let running = job.phases.last().filter(|_| job.state == JobState::Running);
    running.map(|phase| phase.name.clone()).unwrap_or_default()
}

/// Of what is planned, where there is a plan.
fn done(job: &Job) -> String {
    match (job.planned_bytes, job.done_bytes) {
        (Some(planned), done) if planned > 0 => {
            format!("{} %", u128::from(done.min(planned)) * 100 / u128::from(planned))
        }
        (_, 0) => String::new(),
        (_, done) => ByteSize(done).to_string(),
    }
}

/// In bytes, where there are any.
fn told(job: &Job) -> String {
    match (job.planned_bytes, job.done_bytes) {
        (Some(planned), bytes) if planned > 0 => {
            format!("{} of {} ({})", ByteSize(bytes), ByteSize(planned), done(job))
        }
        _ => done(job),
    }
}

fn took(job: &Job) -> String {
    let read = |text: &str| time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok();
    let length = read(&job.ended_at).zip(read(&job.started_at)).map(|(end, start)| (end - start).whole_seconds());
    length.and_then(|seconds| u64::try_from(seconds).ok()).map(duration::words).unwrap_or_default()
}

fn starter(job: &Job) -> String {
    match job.starter {
        aurochs_api::job::JobStarter::System => "system".to_owned(),
        kind => format!("{} {}", kind.word(), job.started_by),
    }
}

fn progress(job: &Job) -> Progress {
    Progress {
        phase: format!("{} of {}", job.kind.word(), job.object),
        done: ByteSize(job.done_bytes),
        planned: job.planned_bytes.map(ByteSize),
        bytes_per_second: job.bytes_per_second,
        seconds_left: job.seconds_left,
        percent: None,
    }
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(verb) => verb.run(client).await,
            Self::Show(show) => show.one::<Job>(client).await,
            Self::Logs(show) => logs(client, &show.name).await,
            Self::Watch(verb) => verb.run(client).await,
            Self::Cancel(Show { name }) => {
                let answer = client.api.act::<Cancel>(&name, &aurochs_api::action::NoInput {}).await?;
                client.output.done(&answer, &name, &format!("Job {name} is asked to end."))
            }
        }
    }
}

impl Run for Ls {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let words = |words: Vec<String>| Some(words.join(",")).filter(|words| !words.is_empty());
        let query = query([
            ("volume", self.volume),
            ("node", self.node),
            ("kind", words(self.kind)),
            ("state", words(self.state)),
            ("startedBy", self.started_by),
            ("from", self.from),
            ("to", self.to),
            ("limit", Some(self.limit.to_string())),
        ]);
        self.list.of(client, async || client.api.list_where::<Job>(&query).await).await
    }
}

async fn logs(client: &Client, name: &str) -> Result<(), Failure> {
    let seen = client.api.get::<Job>(name).await?;
    if client.output.format == super::output::Format::Json {
        return client.output.json(&seen.thing.data.log);
    }
    seen.thing
        .data
        .log
        .iter()
        .try_for_each(|line| client.output.line(&format!("{}  {:7}  {}", line.at, line.level.word(), line.text)))
}

impl Run for Watch {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        watch(client, &self.job, &self.patience).await
    }
}

/// Until it ends; fails when the job fails.
pub(super) async fn watch(client: &Client, name: &str, patience: &Patience) -> Result<(), Failure> {
    let look = async || {
        let seen = client.api.get::<Job>(name).await?;
        let job = &seen.thing.data;
        if job.state == JobState::Running { Ok(Look::GoesOn(progress(job))) } else { Ok(Look::Done(seen)) }
    };
    let seen = patience.until(&format!("job {name}"), look).await?;
    let job = &seen.thing.data;
    let word = job.state.word();
    if job.state == JobState::Succeeded {
        return client.output.done(&seen.raw, name, &format!("Job {name} has {word}."));
    }
    let why = [job.message.as_str(), causes::cell_text(&job.causes)].into_iter().find(|why| !why.is_empty());
    let message =
        format!("job {name} ({} of {}) {word}: {}", job.kind.word(), job.object, why.unwrap_or("nobody knows why"));
    Err(Failure::refused(message, job.next_step.clone()))
}
