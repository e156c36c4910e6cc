//! A target: how people are told, and what of.

use std::net::IpAddr;

use aurochs_api::cause::{CauseCode, Severity};
use aurochs_api::job::JobState;
use aurochs_api::notification::{NoticedEvent, NotificationKind, NotificationTargetInput, SmtpSecurity};
use serde::{Deserialize, Serialize};

use super::notice::{About, Notice};
use super::secrets::Secret;

/// More than this is no list of people.
const LIST_MAXIMUM: usize = 100;
const TEXT_LIMIT_BYTES: usize = 2048;

/// A target without its secrets, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    pub(crate) kind: NotificationKind,
    pub(crate) enabled: bool,
    pub(crate) webhook_host: String,
    pub(crate) smtp_server: String,
    pub(crate) smtp_security: SmtpSecurity,
    pub(crate) smtp_user: String,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) event_types: Vec<NoticedEvent>,
    pub(crate) event_reasons: Vec<String>,
    pub(crate) causes: Vec<CauseCode>,
    pub(crate) cause_severities: Vec<Severity>,
    pub(crate) job_outcomes: Vec<JobState>,
}

/// Why a target can't be as it was wished; never with a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("{0:?} can't be the name of a notification target; take letters, digits, - and _, at most 63")]
    Name(String),
    #[error("{field} can't be {word:?}, only one of {options}")]
    Word { field: &'static str, word: String, options: String },
    #[error("the kind of a notification target can't be changed; make another one")]
    Kind,
    #[error("a target of kind {kind} needs {field}")]
    Missing { kind: &'static str, field: &'static str },
    #[error("{field} can't be used: {why}")]
    Value { field: &'static str, why: String },
    #[error(
        "a password is sent unencrypted to this machine alone, and {0} is another one; set smtpSecurity to tls or starttls"
    )]
    PasswordInClear(String),
}

impl Spec {
    /// A new target.
    pub(crate) fn create(input: &NotificationTargetInput) -> Result<(Self, Secret), TargetError> {
        let kind = word("kind", &input.kind)?.ok_or(TargetError::Missing { kind: "any", field: "kind" })?;
        let before = Self { kind, enabled: true, ..Self::default() };
        before.change(&Secret::default(), input)
    }

    /// The target after a change. What is absent stays.
    pub(crate) fn change(
        &self,
        secret: &Secret,
        input: &NotificationTargetInput,
    ) -> Result<(Self, Secret), TargetError> {
        if word("kind", &input.kind)?.is_some_and(|kind| kind != self.kind) {
            return Err(TargetError::Kind);
        }
        let next_secret = secret.changed(input);
        let own = |text: &Option<String>, before: &String| text.as_ref().map_or(before, |text| text).trim().to_owned();
        let next = Self {
            kind: self.kind,
            enabled: input.enabled.unwrap_or(self.enabled),
            webhook_host: next_secret.host(),
            smtp_server: own(&input.smtp_server, &self.smtp_server),
            smtp_security: word("smtpSecurity", &input.smtp_security)?.unwrap_or(self.smtp_security),
            smtp_user: own(&input.smtp_user, &self.smtp_user),
            from: own(&input.from, &self.from),
            to: input.to.clone().unwrap_or_else(|| self.to.clone()),
            event_types: input.event_types.clone().unwrap_or_else(|| self.event_types.clone()),
            event_reasons: input.event_reasons.clone().unwrap_or_else(|| self.event_reasons.clone()),
            causes: input.causes.clone().unwrap_or_else(|| self.causes.clone()),
            cause_severities: input.cause_severities.clone().unwrap_or_else(|| self.cause_severities.clone()),
            job_outcomes: input.job_outcomes.clone().unwrap_or_else(|| self.job_outcomes.clone()),
        };
        next.check(&next_secret)?;
        Ok((next, next_secret))
    }

    fn check(&self, secret: &Secret) -> Result<(), TargetError> {
        self.check_sizes(secret)?;
        match self.kind {
            NotificationKind::Webhook => check_webhook("webhook", secret),
            NotificationKind::Slack => check_webhook("slack", secret),
            NotificationKind::Email => self.check_email(secret),
        }
    }

    fn check_sizes(&self, secret: &Secret) -> Result<(), TargetError> {
        let too_long = |field, texts: &[&String]| match texts.iter().any(|text| text.len() > TEXT_LIMIT_BYTES) {
            true => Err(value(field, format!("it has more than {TEXT_LIMIT_BYTES} bytes"))),
            false => Ok(()),
        };
        too_long("a secret", &secret.all())?;
        too_long("a field", &[&self.smtp_server, &self.smtp_user, &self.from])?;
        too_long("to", &self.to.iter().collect::<Vec<_>>())?;
        too_long("eventReasons", &self.event_reasons.iter().collect::<Vec<_>>())?;
        let longest = [self.to.len(), self.event_reasons.len(), self.causes.len(), self.job_outcomes.len()];
        match longest.iter().any(|length| *length > LIST_MAXIMUM) {
            true => Err(value("a list", format!("it has more than {LIST_MAXIMUM} entries"))),
            false => Ok(()),
        }
    }

    fn check_email(&self, secret: &Secret) -> Result<(), TargetError> {
        let missing = |field| TargetError::Missing { kind: "email", field };
        let (host, _) = server(&self.smtp_server).ok_or_else(|| missing("smtpServer, such as mail.example.org:587"))?;
        if self.to.is_empty() {
            return Err(missing("to"));
        }
        for (field, address) in [("from", &self.from)].into_iter().chain(self.to.iter().map(|to| ("to", to))) {
            address.parse::<lettre::message::Mailbox>().map_err(|error| value(field, error.to_string()))?;
        }
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let in_clear = self.smtp_security == SmtpSecurity::None && !secret.smtp_password.is_empty();
        if in_clear && !is_here { Err(TargetError::PasswordInClear(host.to_owned())) } else { Ok(()) }
    }

    /// Whether the target is told of this.
    pub(super) fn wants(&self, notice: &Notice) -> bool {
        self.enabled
            && match &notice.about {
                About::Event { kind, reason } => {
                    self.event_types.contains(kind)
                        && (self.event_reasons.is_empty() || self.event_reasons.contains(reason))
                }
                About::Cause { code, is_gone: false } => {
                    self.causes.contains(code) || self.cause_severities.contains(&notice.severity)
                }
                // How bad it was is not known any more.
                About::Cause { code, is_gone: true } => self.causes.contains(code),
                About::Job { outcome, .. } => self.job_outcomes.contains(outcome),
                About::Test => true,
            }
    }
}

/// Host and port. An IPv6 address has brackets.
pub(super) fn server(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let known = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':'));
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (known && !host.is_empty()).then_some((host, port))
}

fn check_webhook(kind: &'static str, secret: &Secret) -> Result<(), TargetError> {
    if secret.webhook_url.is_empty() {
        return Err(TargetError::Missing { kind, field: "webhookURL" });
    }
    // The address itself is a secret and is not repeated.
    let odd = || value("webhookURL", "it is no address such as https://hooks.example.org/…".to_owned());
    let url = reqwest::Url::parse(&secret.webhook_url).map_err(|_| odd())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(odd());
    }
    let header = reqwest::header::HeaderValue::from_str(&secret.authorization);
    header.map(|_| ()).map_err(|_| value("authorization", "it can't be the value of a header".to_owned()))
}

pub(crate) fn check_name(name: &str) -> Result<(), TargetError> {
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits && (1..=63).contains(&name.len()) { Ok(()) } else { Err(TargetError::Name(name.to_owned())) }
}

fn value(field: &'static str, why: String) -> TargetError {
    TargetError::Value { field, why }
}

fn word<T: aurochs_api::describe::Described + serde::de::DeserializeOwned>(
    field: &'static str,
    said: &aurochs_api::word::Word<T>,
) -> Result<Option<T>, TargetError> {
    said.read().map_err(|error| TargetError::Word {
        field,
        word: error.word.to_string(),
        options: error.options.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: serde_json::Value) -> NotificationTargetInput {
        serde_json::from_value(json).unwrap()
    }

    fn refusal(json: serde_json::Value) -> String {
        Spec::create(&input(json)).unwrap_err().to_string()
    }

    #[test]
    fn what_is_missing_or_wrong_is_told_without_the_secret() {
        for (json, words) in [
            (serde_json::json!({}), "kind"),
            (serde_json::json!({"kind": "pigeon"}), "webhook, slack, email"),
            (serde_json::json!({"kind": "slack"}), "webhookURL"),
            (serde_json::json!({"kind": "webhook", "webhookURL": "planted"}), "https://hooks.example.org"),
            (serde_json::json!({"kind": "webhook", "webhookURL": "file:///planted"}), "https://hooks.example.org"),
            (
                serde_json::json!({"kind": "webhook", "webhookURL": "http://h/", "authorization": "planted\nplanted"}),
                "header",
            ),
            (serde_json::json!({"kind": "email", "from": "a@b.c", "to": ["a@b.c"]}), "smtpServer"),
            (serde_json::json!({"kind": "email", "smtpServer": "h:25", "from": "a@b.c"}), "needs to"),
            (serde_json::json!({"kind": "email", "smtpServer": "h:25", "from": "nobody", "to": ["a@b.c"]}), "from"),
            (
                serde_json::json!({"kind": "email", "smtpServer": "h.example:25", "smtpSecurity": "none", "from": "a@b.c",
                    "to": ["a@b.c"], "smtpUser": "u", "smtpPassword": "planted"}),
                "starttls",
            ),
        ] {
            let message = refusal(json);
            assert!(message.contains(words) && !message.contains("planted"), "{message}");
        }
        let local = serde_json::json!({"kind": "email", "smtpServer": "127.0.0.1:25", "smtpSecurity": "none",
            "from": "Storage <a@b.c>", "to": ["a@b.c"], "smtpPassword": "x"});
        assert!(Spec::create(&input(local)).is_ok());
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let first = input(serde_json::json!({"kind": "slack", "webhookURL": "https://hooks.example.org:8443/planted",
            "eventTypes": ["Warning"]}));
        let (spec, secret) = Spec::create(&first).unwrap();
        assert_eq!(spec.webhook_host, "https://hooks.example.org:8443");
        let (next, kept) = spec.change(&secret, &input(serde_json::json!({"enabled": false}))).unwrap();
        assert_eq!((next.enabled, &next.event_types, &kept), (false, &vec![NoticedEvent::Warning], &secret));
        assert_eq!(spec.change(&secret, &input(serde_json::json!({"kind": "email"}))), Err(TargetError::Kind));
        let emptied = spec.change(&secret, &input(serde_json::json!({"webhookURL": ""})));
        assert!(matches!(emptied, Err(TargetError::Missing { .. })));
    }

    #[test]
    fn servers() {
        for (text, expected) in [
            ("mail.example.org:587", Some(("mail.example.org", 587))),
            ("[::1]:25", Some(("::1", 25))),
            ("mail", None),
            ("mail:0", None),
            (":25", None),
            ("a b:25", None),
        ] {
            assert_eq!(server(text), expected, "{text}");
        }
    }
}
