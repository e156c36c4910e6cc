//! Tells a target: one message for all notices that wait, over HTTP or SMTP. Errors never name the address of a webhook.

use std::time::Duration;

use aurochs_api::notification::{NotificationKind, SmtpSecurity};
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::header;
use serde_json::{Value, json};

use super::notice::Notice;
use super::secrets::Secret;
use super::target::{Spec, server};
use crate::support_bundle::Redactor;

/// A target that is slower takes nothing for all we know.
const PATIENCE: Duration = Duration::from_secs(15);
/// A server that asks for more patience is asked again all the same.
const RETRY_AFTER_MAXIMUM: Duration = Duration::from_secs(60 * 60);
/// Slack cuts texts, and nobody reads on.
const TEXT_LIMIT_BYTES: usize = 12_000;

/// Why a target was not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(super) struct SendError {
    why: String,
    /// The target said when.
    pub(super) retry_after: Option<Duration>,
}

impl SendError {
    fn new(why: impl std::fmt::Display) -> Self {
        // What a server answers may repeat what it was sent.
        Self { why: Redactor::default().text(&why.to_string()), retry_after: None }
    }
}

/// What sends.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    http: reqwest::Client,
    /// Told with every message.
    installation: String,
}

impl Sender {
    pub(super) fn new(installation: &str) -> Result<Self, SendError> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            // An address that leads elsewhere would be given what is meant for this one.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("aurochs/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { http: http.map_err(SendError::new)?, installation: installation.to_owned() })
    }

    pub(super) async fn send(&self, spec: &Spec, secret: &Secret, notices: &[Notice]) -> Result<(), SendError> {
        match spec.kind {
            NotificationKind::Webhook => {
                let body = json!({ "installation": self.installation, "notices": notices });
                self.post(secret, &body).await
            }
            NotificationKind::Slack => self.post(secret, &json!({ "text": self.text(notices) })).await,
            NotificationKind::Email => self.mail(spec, secret, notices).await,
        }
    }

    fn text(&self, notices: &[Notice]) -> String {
        let lines: Vec<String> = notices.iter().map(Notice::line).collect();
        let mut text = format!("Aurochs ({})\n{}", self.installation, lines.join("\n"));
        text.truncate(text.floor_char_boundary(TEXT_LIMIT_BYTES));
        text
    }

    async fn post(&self, secret: &Secret, body: &Value) -> Result<(), SendError> {
        let mut request = self.http.post(&secret.webhook_url).json(body);
        if !secret.authorization.is_empty() {
            request = request.header(header::AUTHORIZATION, &secret.authorization);
        }
        let answer = request.send().await.map_err(|error| SendError::new(chain(&error.without_url())))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let said = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = said.and_then(|said| said.parse().ok()).map(Duration::from_secs);
        let retry_after = retry_after.map(|delay| delay.min(RETRY_AFTER_MAXIMUM));
        Err(SendError { retry_after, ..SendError::new(format_args!("the webhook answered {status}")) })
    }

    async fn mail(&self, spec: &Spec, secret: &Secret, notices: &[Notice]) -> Result<(), SendError> {
        let message = self.message(spec, notices)?;
        let transport = transport(spec, secret)?;
        match tokio::time::timeout(2 * PATIENCE, transport.send(message)).await {
            Ok(sent) => sent.map(|_| ()).map_err(|error| SendError::new(chain(&error))),
            Err(_) => {
                Err(SendError::new(format_args!("the mail server did not finish within {} s", 2 * PATIENCE.as_secs())))
            }
        }
    }

    fn message(&self, spec: &Spec, notices: &[Notice]) -> Result<Message, SendError> {
        let mailbox = |text: &String| text.parse::<Mailbox>().map_err(SendError::new);
        let mut builder = Message::builder().from(mailbox(&spec.from)?).subject(self.subject(notices));
        for to in &spec.to {
            builder = builder.to(mailbox(to)?);
        }
        builder.body(self.text(notices)).map_err(SendError::new)
    }

    fn subject(&self, notices: &[Notice]) -> String {
        match notices {
            [one] => format!("Aurochs ({}): {} {}", self.installation, one.object_type, one.object),
            many => format!("Aurochs ({}): {} notices", self.installation, many.len()),
        }
    }
}

fn transport(spec: &Spec, secret: &Secret) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
    let (host, port) = server(&spec.smtp_server).ok_or_else(|| SendError::new("the target has no server for mails"))?;
    let parameters = || TlsParameters::new(host.to_owned()).map_err(SendError::new);
    let tls = match spec.smtp_security {
        SmtpSecurity::Tls => Tls::Wrapper(parameters()?),
        SmtpSecurity::Starttls => Tls::Required(parameters()?),
        SmtpSecurity::None => Tls::None,
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(port).tls(tls);
    let builder = builder.timeout(Some(PATIENCE));
    if spec.smtp_user.is_empty() {
        return Ok(builder.build());
    }
    Ok(builder.credentials(Credentials::new(spec.smtp_user.clone(), secret.smtp_password.clone())).build())
}

/// The whole reason: libraries keep what matters at its end.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        let told = next.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        source = next.source();
    }
    text
}
