//! What a click does: raises a question, or does at once what can be taken back.

use std::future::Future;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api::ApiError;
use crate::components::dialog::Tone;
use crate::components::menu::Entry;
use crate::dialogs::{Confirm, Sending, ask_confirm};
use crate::notices::Notices;

/// An entry that can be chosen, unless there is a reason against it.
pub(crate) fn entry(
    label: impl Into<String>,
    refusal: Option<String>,
    choose: impl Fn() + Send + Sync + 'static,
) -> Entry {
    Entry { label: label.into(), refusal, danger: false, choose: Callback::new(move |()| choose()) }
}

/// The same for what destroys something.
pub(crate) fn danger(
    label: impl Into<String>,
    refusal: Option<String>,
    choose: impl Fn() + Send + Sync + 'static,
) -> Entry {
    Entry { danger: true, ..entry(label, refusal, choose) }
}

/// Does it at once, and says how it went.
pub(crate) fn at_once<T: 'static>(
    notices: Notices,
    done: String,
    work: impl Future<Output = Result<T, ApiError>> + 'static,
) {
    spawn_local(async move {
        match work.await {
            Ok(_) => notices.done(done),
            Err(error) => notices.failed(error),
        }
    });
}

/// A question whose answer is one piece of work; `done` is the notice afterwards.
pub(crate) struct Plan {
    pub(crate) title: String,
    /// English.
    pub(crate) answer: &'static str,
    pub(crate) tone: Tone,
    /// Address of what would come of it.
    pub(crate) consequences: Option<String>,
    pub(crate) lines: Vec<String>,
    pub(crate) typed: Option<String>,
    pub(crate) done: String,
}

impl Plan {
    pub(crate) fn ask<F>(self, work: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), ApiError>> + 'static,
    {
        let done = self.done;
        let submit = Callback::new(move |()| -> Sending {
            let (work, done) = (work(), done.clone());
            Box::pin(async move { work.await.map(|()| done) })
        });
        ask_confirm(Confirm {
            title: self.title,
            answer: self.answer,
            tone: self.tone,
            consequences: self.consequences,
            lines: self.lines,
            typed: self.typed,
            submit,
        });
    }
}

/// For a query.
pub(crate) fn encoded(text: &str) -> String {
    js_sys::encode_uri_component(text).into()
}
