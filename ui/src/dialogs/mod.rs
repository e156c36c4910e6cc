//! Questions to the user, one at a time. They live above the pages, so that a row that vanishes takes no dialog with it.

mod confirm;
mod form;
pub(crate) mod volume;

use std::sync::OnceLock;

use leptos::prelude::*;

pub(crate) use confirm::{Confirm, ask_confirm};
pub(crate) use form::{FormQuestion, Sending, ask_form};

#[derive(Clone, Copy)]
pub(crate) struct Questions {
    opened: RwSignal<Option<Callback<(), AnyView>>>,
}

/// Those of the application: what handles a click knows no context.
static QUESTIONS: OnceLock<Questions> = OnceLock::new();

/// What lives as long as the application.
static ROOT: OnceLock<Owner> = OnceLock::new();

/// What is made here outlives the place that was clicked. A handler makes its callbacks for the view that it belongs to:
/// those of a menu's entry would be gone with the menu, and the dialog that it opened with them.
pub(crate) fn outlive(work: impl FnOnce()) {
    match ROOT.get() {
        Some(root) => root.with(work),
        None => work(),
    }
}

impl Questions {
    pub(crate) fn provide() {
        let questions = Self { opened: RwSignal::new(None) };
        // The application is mounted once.
        _ = QUESTIONS.set(questions);
        if let Some(owner) = Owner::current() {
            _ = ROOT.set(owner);
        }
        provide_context(questions);
    }

    pub(crate) fn expect() -> Self {
        QUESTIONS.get().copied().unwrap_or_else(expect_context)
    }

    /// Shows any dialog; it ends with [`Questions::close`].
    pub(crate) fn open(self, view: Callback<(), AnyView>) {
        self.opened.set(Some(view));
    }

    pub(crate) fn close(self) {
        self.opened.set(None);
    }
}

/// Where the open question is shown.
#[component]
pub(crate) fn OpenQuestion() -> impl IntoView {
    let questions = Questions::expect();
    move || questions.opened.get().map(|view| view.run(()))
}
