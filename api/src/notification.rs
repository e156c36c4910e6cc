//! Notifications: where people are told of what happens. Ours; Longhorn has no such thing.

use serde::{Deserialize, Serialize};

use crate::action::NoInput;
use crate::cause::{CauseCode, Severity};
use crate::describe::Described;
use crate::job::JobState;
use crate::schema::Resource;
use crate::word::Word;

/// How a target is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotificationKind {
    /// JSON, POSTed: `{"installation": …, "notices": […]}`.
    #[default]
    Webhook,
    /// What Slack, Mattermost and others take: `{"text": …}`, POSTed.
    Slack,
    /// Through an SMTP server.
    Email,
}

/// How the connection to an SMTP server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// From the first byte, mostly on port 465.
    Tls,
    /// After a greeting, mostly on port 587; without it no mail is sent.
    #[default]
    Starttls,
    /// Not at all. A password is sent so to this machine only.
    None,
}

/// Type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Described, Serialize, Deserialize)]
pub enum NoticedEvent {
    Normal,
    Warning,
}

/// A target with what became of its notifications. Secrets are never told, only whether they are set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NotificationTarget {
    #[schema(create, required, unique)]
    pub name: String,
    #[schema(create, required)]
    pub kind: NotificationKind,
    #[schema(create, update, default = "true")]
    pub enabled: bool,
    /// Whether there is a webhook's address, which is a secret: whoever knows it may write there.
    #[serde(rename = "webhookURLSet")]
    pub webhook_url_set: bool,
    /// The part of it that is none: `https://hooks.example.org`.
    pub webhook_host: String,
    /// Whether a webhook is sent a header `Authorization`.
    pub authorization_set: bool,
    /// `mail.example.org:587`.
    #[schema(create, update)]
    pub smtp_server: String,
    #[schema(create, update)]
    pub smtp_security: SmtpSecurity,
    /// Empty for a server that asks for no login.
    #[schema(create, update)]
    pub smtp_user: String,
    pub smtp_password_set: bool,
    /// Sender of mails.
    #[schema(create, update)]
    pub from: String,
    /// Receivers of mails.
    #[schema(create, update)]
    pub to: Vec<String>,
    /// Types of events that are told; none for no events.
    #[schema(create, update)]
    pub event_types: Vec<NoticedEvent>,
    /// Reasons of events (`Faulted`), of those types; empty for all.
    #[schema(create, update)]
    pub event_reasons: Vec<String>,
    /// Causes of volumes that are told, when they come up and when they are gone; empty for none but the next.
    #[schema(create, update)]
    pub causes: Vec<CauseCode>,
    /// All causes of this severity; empty for none.
    #[schema(create, update)]
    pub cause_severities: Vec<Severity>,
    /// Ends of jobs that are told: `failed`, `interrupted`, `cancelled`, `succeeded`; none for no jobs.
    #[schema(create, update)]
    pub job_outcomes: Vec<JobState>,
    /// Notices that wait to be told.
    pub waiting: u64,
    /// Notices that were told.
    pub delivered: u64,
    /// Notices that were given up: the target took nothing for a day, or too many waited.
    pub dropped: u64,
    /// RFC 3339 in UTC; empty for never.
    pub last_delivered_at: String,
    pub last_error_at: String,
    /// Why the last try failed; empty after one that did not.
    pub last_error: String,
}

/// Body of a create and of a change. What is absent stays as it is; an empty secret is taken away.
#[derive(Clone, Debug, Default, Described, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NotificationTargetInput {
    #[schema(create, required)]
    pub name: String,
    #[schema(create, required)]
    pub kind: Word<NotificationKind>,
    pub enabled: Option<bool>,
    /// Written only.
    #[serde(rename = "webhookURL")]
    pub webhook_url: Option<String>,
    /// The value of a header `Authorization` for a webhook. Written only.
    pub authorization: Option<String>,
    pub smtp_server: Option<String>,
    pub smtp_security: Word<SmtpSecurity>,
    pub smtp_user: Option<String>,
    /// Written only.
    pub smtp_password: Option<String>,
    pub from: Option<String>,
    pub to: Option<Vec<String>>,
    pub event_types: Option<Vec<NoticedEvent>>,
    pub event_reasons: Option<Vec<String>>,
    pub causes: Option<Vec<CauseCode>>,
    pub cause_severities: Option<Vec<Severity>>,
    pub job_outcomes: Option<Vec<JobState>>,
}

crate::actions! { NotificationTarget {
    /// Sends a notice that says that it is a test, at once; the answer tells whether it was taken.
    Test = "test"(NoInput) -> Resource<NotificationTarget>;
} }
