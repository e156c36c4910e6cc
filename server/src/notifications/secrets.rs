//! What targets need and nobody may read: addresses of webhooks, headers and passwords, in a file beside the database.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use aurochs_api::notification::NotificationTargetInput;
use serde::{Deserialize, Serialize};

use crate::private_file;

/// Name of the file in the manager's directory.
pub const FILE: &str = "notification-secrets";

/// The secrets of one target; what is not set is empty.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Secret {
    #[serde(rename = "webhookURL")]
    pub(super) webhook_url: String,
    pub(super) authorization: String,
    pub(super) smtp_password: String,
}

/// Tells what is set, and no more.
impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let set = self.all().map(|text| !text.is_empty());
        write!(formatter, "Secret(set: {set:?})")
    }
}

impl Secret {
    pub(super) fn changed(&self, input: &NotificationTargetInput) -> Self {
        let own = |said: &Option<String>, before: &String| said.as_ref().unwrap_or(before).trim().to_owned();
        Self {
            webhook_url: own(&input.webhook_url, &self.webhook_url),
            authorization: own(&input.authorization, &self.authorization),
            smtp_password: input.smtp_password.clone().unwrap_or_else(|| self.smtp_password.clone()),
        }
    }

    /// What of the webhook's address is no secret.
    pub(super) fn host(&self) -> String {
        let Ok(url) = reqwest::Url::parse(&self.webhook_url) else { return String::new() };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        url.host_str().map(|host| format!("{}://{host}{port}", url.scheme())).unwrap_or_default()
    }

    pub(super) fn all(&self) -> [&String; 3] {
        [&self.webhook_url, &self.authorization, &self.smtp_password]
    }

    /// Whether webhook, header and password are set.
    pub(crate) fn set(&self) -> [bool; 3] {
        self.all().map(|text| !text.is_empty())
    }
}

/// The file and what it says.
#[derive(Debug)]
pub(super) struct Secrets {
    path: PathBuf,
    known: Mutex<BTreeMap<String, Secret>>,
}

impl Secrets {
    /// A file that is not there is one without secrets; one that can't be read is an error, and not overwritten.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let known = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, known: Mutex::new(known) })
    }

    pub(super) fn of(&self, target: &str) -> Secret {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(target).cloned().unwrap_or_default()
    }

    /// Keeps it, and no other of this target.
    pub(super) fn set(&self, target: &str, secret: &Secret) -> io::Result<()> {
        self.change(|all| drop(all.insert(target.to_owned(), secret.clone())))
    }

    pub(super) fn remove(&self, target: &str) -> io::Result<()> {
        self.change(|all| drop(all.remove(target)))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Secret>)) -> io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = known.clone();
        change(&mut next);
        if next != *known {
            let text = serde_json::to_string_pretty(&next).map_err(io::Error::other)?;
            private_file::write(&self.path, &text, None)?;
            *known = next;
        }
        Ok(())
    }
}
