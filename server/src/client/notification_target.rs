//! `aurochs notification-target`: where people are told of what happens.

use std::path::{Path, PathBuf};

use aurochs_api::action::NoInput;
use aurochs_api::cause::{CauseCode, Severity};
use aurochs_api::job::JobState;
use aurochs_api::notification::{
    NoticedEvent, NotificationKind, NotificationTarget, NotificationTargetInput, SmtpSecurity, Test,
};
use aurochs_api::schema::Resource;
use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::confirm::Confirmation;
use super::failure::Failure;
use super::list::{List, Listed, Show};
use super::table::{Cell, Column, Tone};
use super::words::{self, Switch};
use super::{Client, Run, age, password};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List targets with what became of their notifications
    #[command(visible_alias = "list", after_help = "Example:\n  aurochs notification-target ls")]
    Ls(List),
    /// Show one target
    #[command(after_help = "Example:\n  aurochs notification-target show team")]
    Show(Show),
    /// Create a target
    Create(Create),
    /// Change a target; what is not said stays
    Set(Set),
    /// Send a notice that says that it is a test
    #[command(after_help = "Example:\n  aurochs notification-target test team")]
    Test(Show),
    /// Delete a target
    #[command(visible_alias = "delete", after_help = "Example:\n  aurochs notification-target rm team")]
    Rm(Remove),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs notification-target create team --kind slack --webhook-url-file slack.url --severity error --job failed
  aurochs notification-target create mail --kind email --smtp-server mail.example.org:587 --from a@example.org --to b@example.org

Addresses of webhooks and passwords are secrets: they come from files, and are never told again.")]
pub struct Create {
    /// Name of the new target
    name: String,
    /// How it is told
    #[arg(long, value_parser = words::of::<NotificationKind>())]
    kind: String,
    #[command(flatten)]
    wishes: Wishes,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aurochs notification-target set team --enabled off
  aurochs notification-target set team --job failed --job interrupted")]
pub struct Set {
    /// Name of the target
    name: String,
    #[command(flatten)]
    wishes: Wishes,
}

#[derive(Debug, Args)]
pub struct Remove {
    /// Name of the target
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(Debug, Args)]
struct Wishes {
    /// Whether it is told anything
    #[arg(long, value_enum, value_name = "SWITCH")]
    enabled: Option<Switch>,
    /// Types of events that are told; can be given several times, as what follows
    #[arg(long = "event", value_parser = words::of::<NoticedEvent>(), value_name = "TYPE")]
    events: Vec<String>,
    /// Reasons of events, such as Faulted; all when none is given
    #[arg(long = "reason", value_name = "REASON")]
    reasons: Vec<String>,
    /// Causes of volumes that are told
    #[arg(long = "cause", value_parser = words::of::<CauseCode>(), value_name = "CAUSE", hide_possible_values = true)]
    causes: Vec<String>,
    /// Severities of which all causes are told
    #[arg(long = "severity", value_parser = words::of::<Severity>(), value_name = "SEVERITY")]
    severities: Vec<String>,
    /// Ends of jobs that are told
    #[arg(long = "job", value_parser = ["failed", "interrupted", "cancelled", "succeeded"], value_name = "OUTCOME")]
    jobs: Vec<String>,
    /// File with the webhook's address
    #[arg(long, value_name = "FILE")]
    webhook_url_file: Option<PathBuf>,
    /// File with the value of a header Authorization for the webhook
    #[arg(long, value_name = "FILE")]
    authorization_file: Option<PathBuf>,
    /// Mail server with its port
    #[arg(long, value_name = "HOST:PORT")]
    smtp_server: Option<String>,
    /// How the connection to it is encrypted
    #[arg(long, value_parser = words::of::<SmtpSecurity>(), value_name = "HOW")]
    smtp_security: Option<String>,
    /// User at the mail server
    #[arg(long, value_name = "NAME")]
    smtp_user: Option<String>,
    /// File with that user's password
    #[arg(long, value_name = "FILE")]
    smtp_password_file: Option<PathBuf>,
    /// Sender of mails
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Receiver of mails
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
}

impl Listed for NotificationTarget {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("KIND"),
        Column::text("ENABLED"),
        Column::text("TO"),
        Column::number("WAITING").spare(),
        Column::number("DELIVERED"),
        Column::number("DROPPED").spare(),
        Column::text("LAST ERROR"),
    ];
    const NONE: &'static str = "There are no notification targets.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let target = &thing.data;
        vec![
            target.name.clone().into(),
            kind(target.kind).into(),
            if target.enabled { Cell::new("yes", Tone::Good) } else { Cell::new("no", Tone::Dim) },
            receiver(target).into(),
            target.waiting.to_string().into(),
            target.delivered.to_string().into(),
            target.dropped.to_string().into(),
            Cell::new(target.last_error.clone(), Tone::Bad),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let target = &thing.data;
        vec![
            ("Name", target.name.clone()),
            ("Kind", kind(target.kind).to_owned()),
            ("Enabled", words::yes_or_no(target.enabled).to_owned()),
            ("To", receiver(target)),
            ("Mail server", target.smtp_server.clone()),
            ("Told", told(target)),
            ("Waiting", target.waiting.to_string()),
            ("Delivered", target.delivered.to_string()),
            ("Dropped", target.dropped.to_string()),
            ("Last delivered", age::long(&target.last_delivered_at)),
            ("Last error", target.last_error.clone()),
        ]
    }
}

const fn kind(kind: NotificationKind) -> &'static str {
    match kind {
        NotificationKind::Webhook => "webhook",
        NotificationKind::Slack => "slack",
        NotificationKind::Email => "email",
    }
}

fn receiver(target: &NotificationTarget) -> String {
    if target.kind == NotificationKind::Email { target.to.join(", ") } else { target.webhook_host.clone() }
}

/// What it is told of.
fn told(target: &NotificationTarget) -> String {
    let lists = serde_json::json!([target.event_types, target.causes, target.cause_severities, target.job_outcomes]);
    let words =
        |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("/");
    let names = ["events", "causes", "causes of severity", "jobs that have"];
    let named = names.iter().zip(lists.as_array().into_iter().flatten()).map(|(name, list)| (name, words(list)));
    named
        .filter(|(_, words)| !words.is_empty())
        .map(|(name, words)| format!("{name} {words}"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl Run for Command {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match self {
            Self::Ls(list) => list.all::<NotificationTarget>(client).await,
            Self::Show(show) => show.one::<NotificationTarget>(client).await,
            Self::Create(Create { name, kind, wishes }) => {
                let input = NotificationTargetInput { name: name.clone(), kind: kind.into(), ..wishes.input()? };
                let seen = client.api.create::<NotificationTarget>(&given(&input)?).await?;
                let sentence = format!("Target {name} is created. `aurochs notification-target test {name}` tries it.");
                client.output.done(&seen.raw, &name, &sentence)
            }
            Self::Set(Set { name, wishes }) => {
                let seen = client.api.update::<NotificationTarget>(&name, &given(&wishes.input()?)?).await?;
                client.output.done(&seen.raw, &name, &format!("Target {name} is changed."))
            }
            Self::Test(Show { name }) => {
                let answer = client.api.act::<Test>(&name, &NoInput {}).await?;
                client.output.done(&answer, &name, &format!("Target {name} has taken a test."))
            }
            Self::Rm(Remove { name, confirmation }) => {
                client.api.get::<NotificationTarget>(&name).await?;
                confirmation.ask(&format!("Target {name} is deleted, with the notices that wait for it."))?;
                client.api.delete::<NotificationTarget>(&name).await?;
                client.output.done(&Value::Null, &name, &format!("Target {name} is deleted."))
            }
        }
    }
}

impl Wishes {
    fn input(self) -> Result<NotificationTargetInput, Failure> {
        let secret = |path: Option<PathBuf>| path.as_deref().map(|path: &Path| password::of_file(path)).transpose();
        Ok(NotificationTargetInput {
            enabled: self.enabled.map(Switch::is_on),
            webhook_url: secret(self.webhook_url_file)?,
            authorization: secret(self.authorization_file)?,
            smtp_server: self.smtp_server,
            smtp_security: self.smtp_security.map(Into::into).unwrap_or_default(),
            smtp_user: self.smtp_user,
            smtp_password: secret(self.smtp_password_file)?,
            from: self.from,
            to: Some(self.to).filter(|to| !to.is_empty()),
            event_types: read(self.events)?,
            event_reasons: Some(self.reasons).filter(|reasons| !reasons.is_empty()),
            causes: read(self.causes)?,
            cause_severities: read(self.severities)?,
            job_outcomes: read::<JobState>(self.jobs)?,
            ..NotificationTargetInput::default()
        })
    }
}

/// Words that clap has checked.
fn read<T: DeserializeOwned>(words: Vec<String>) -> Result<Option<Vec<T>>, Failure> {
    if words.is_empty() {
        return Ok(None);
    }
    let read = words.into_iter().map(|word| serde_json::from_value(Value::String(word)));
    read.collect::<Result<Vec<T>, _>>().map(Some).map_err(|error| Failure::usage(error.to_string(), ""))
}

/// Only what was said.
fn given(input: &NotificationTargetInput) -> Result<Value, Failure> {
    let mut all = serde_json::to_value(input).map_err(|error| Failure::usage(error.to_string(), ""))?;
    if let Some(fields) = all.as_object_mut() {
        fields.retain(|_, value| !value.is_null() && value != "");
    }
    Ok(all)
}
