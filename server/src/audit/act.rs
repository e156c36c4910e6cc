//! What is known of a change before it is done, and how it ended.

use aurochs_api::session::Role;
use axum::http::StatusCode;

use crate::auth::User;
use crate::auth::client::Client;

/// No path, name or message in the log is longer.
const TEXT_LIMIT_BYTES: usize = 512;

/// Something that somebody is about to do. Texts are cut to their limits when it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Act {
    /// Empty for nobody that is known.
    pub user: String,
    pub role: Option<Role>,
    /// Client's address, as far as it is to be believed; empty for what happened on the machine itself.
    pub address: String,
    pub method: String,
    /// Without its query.
    pub path: String,
    /// Name of the action, or what was done that is no request: `login`.
    pub action: String,
    /// Type of the thing: `volume`.
    pub noun: String,
    /// Name of the thing.
    pub object: String,
    /// Body of the request, without secrets.
    pub input: String,
    /// Ties it to the lines in the manager's log.
    pub request_id: String,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    Done,
    /// Nothing was changed: who asked may not.
    Refused,
    /// It was tried, or could not be.
    Failed,
    /// The client went away, or it took too long: what was begun may go on.
    CutOff,
}

/// The end of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub result: Result,
    /// HTTP's; 0 where there was no answer.
    pub status: u16,
    /// Why not; empty when it was done.
    pub message: String,
}

impl Result {
    /// As it is on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::CutOff => "cutOff",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Done, Self::Refused, Self::Failed, Self::CutOff].into_iter().find(|result| result.word() == word)
    }

    const fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => Self::Refused,
            _ if status.as_u16() < 400 => Self::Done,
            _ => Self::Failed,
        }
    }
}

impl Act {
    /// What a client does that is no request of the API, such as a login.
    pub(crate) fn of_client(action: &str, client: &Client) -> Self {
        Self {
            address: client.address.to_string(),
            action: action.to_owned(),
            request_id: shortened(&client.request),
            ..Self::default()
        }
    }

    /// What happened on the machine itself.
    pub(crate) fn of_machine(action: &str, what: &str) -> Self {
        Self { action: action.to_owned(), input: shortened(what), ..Self::default() }
    }

    #[must_use]
    pub(crate) fn by(self, user: &User) -> Self {
        Self { role: Some(user.role), ..self.named(&user.name) }
    }

    /// By somebody whose name is known, and no more.
    #[must_use]
    pub(crate) fn named(self, name: &str) -> Self {
        Self { user: shortened(name), ..self }
    }

    /// What it is done to.
    #[must_use]
    pub(crate) fn on(self, noun: &str, object: &str) -> Self {
        Self { noun: noun.to_owned(), object: shortened(object), ..self }
    }

    #[must_use]
    pub(crate) fn request(self, method: &str, path: &str, input: String) -> Self {
        Self { method: method.to_owned(), path: shortened(path), input, ..self }
    }
}

impl Ended {
    #[must_use]
    pub fn of(status: StatusCode, message: &str) -> Self {
        Self { result: Result::of(status), status: status.as_u16(), message: shortened(message) }
    }

    #[must_use]
    pub fn done() -> Self {
        Self { result: Result::Done, status: 0, message: String::new() }
    }

    pub(super) fn cut_off() -> Self {
        let message = "there was no answer: the client went away, or it took too long; what was begun may go on";
        Self { result: Result::CutOff, status: 0, message: message.to_owned() }
    }

    pub(super) fn and(self, more: &str) -> Self {
        let message = if self.message.is_empty() { more.to_owned() } else { format!("{}; {more}", self.message) };
        Self { message, ..self }
    }
}

fn shortened(text: &str) -> String {
    cut(text, TEXT_LIMIT_BYTES)
}

/// At most this many bytes, the last of them a sign that there was more.
pub(super) fn cut(text: &str, limit_bytes: usize) -> String {
    if text.len() <= limit_bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit_bytes - '…'.len_utf8());
    format!("{}…", &text[..end])
}
