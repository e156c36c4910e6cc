//! The same work for each of several volumes.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::api::{self, ApiError};
use crate::dialogs::Sending;
use crate::words;

/// Volumes that are still to be asked. One leaves when its work is done: after a refusal the dialog stays, says why, and
/// goes on with those that are left when it is answered again.
#[derive(Clone)]
pub(super) struct Batch(Arc<Mutex<Vec<String>>>);

impl Batch {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self(Arc::new(Mutex::new(names)))
    }

    /// Posts an action to each; answers with the notice.
    pub(super) fn act(&self, action: &'static str, body: Value, notice: String) -> Sending {
        self.each(notice, move |volume| {
            let body = body.clone();
            async move { act(&volume, action, &body).await }
        })
    }

    /// Does some work for each, in order; answers with the notice.
    pub(super) fn each<W, F>(&self, notice: String, work: W) -> Sending
    where
        W: Fn(String) -> F + 'static,
        F: Future<Output = Result<(), ApiError>> + 'static,
    {
        let left = Arc::clone(&self.0);
        Box::pin(async move {
            while let Some(name) = first(&left) {
                work(name.clone()).await?;
                left.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| *other != name);
            }
            Ok(notice)
        })
    }
}

fn first(names: &Mutex<Vec<String>>) -> Option<String> {
    names.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
}

/// Asks the manager to do something with a volume.
pub(super) async fn act(volume: &str, action: &str, body: &Value) -> Result<(), ApiError> {
    api::post(&address(volume, action), body).await.map(drop)
}

pub(super) fn address(volume: &str, action: &str) -> String {
    format!("{}?action={action}", api::address_of("volumes", volume))
}

/// `mysql-data`, `3 volumes`.
pub(super) fn subject(names: &[String]) -> String {
    match names {
        [name] => name.clone(),
        names => words::fill("{} volumes", &[&names.len()]),
    }
}

/// Where the manager tells what would come of a change to a volume; nothing for several at once.
pub(super) fn what_if(change: &str, names: &[String], more: &str) -> Option<String> {
    let [name] = names else { return None };
    let name = String::from(js_sys::encode_uri_component(name));
    Some(format!("v1/whatif?change={change}&volume={name}{more}"))
}
