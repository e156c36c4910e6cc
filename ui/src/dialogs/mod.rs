//! Questions to the user, one at a time. They live above the pages, so that a row that vanishes takes no dialog with it.

mod attach;
mod cancel_expansion;
mod confirm;
mod create_volume;
mod delete_snapshot;
mod delete_volumes;
mod detach;
mod expand;
mod form;
mod revert;
mod salvage;
mod take_snapshot;

use std::sync::OnceLock;

use leptos::prelude::*;

pub(crate) use confirm::{Confirm, ask_confirm};
pub(crate) use form::{FormQuestion, Sending, ask_form};

use attach::AttachDialog;
use cancel_expansion::CancelExpansionDialog;
use create_volume::CreateVolumeDialog;
use delete_snapshot::DeleteSnapshotDialog;
use delete_volumes::DeleteVolumesDialog;
use detach::DetachDialog;
use expand::ExpandDialog;
use revert::RevertDialog;
use salvage::SalvageDialog;
use take_snapshot::TakeSnapshotDialog;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    CreateVolume,
    Attach { volumes: Vec<String> },
    Detach { volumes: Vec<String> },
    DeleteVolumes { volumes: Vec<String> },
    TakeSnapshot { volume: String },
    Expand { volume: String },
    CancelExpansion { volume: String },
    Salvage { volume: String },
    Revert { volume: String, snapshot: String },
    DeleteSnapshot { volume: String, snapshot: String },
}

/// Questions about volumes, from anywhere.
pub(crate) mod volume {
    pub(crate) fn create() {
        super::Questions::expect().ask(super::Question::CreateVolume);
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Questions {
    asked: RwSignal<Option<Question>>,
    /// A question that is a view of its own.
    opened: RwSignal<Option<Callback<(), AnyView>>>,
}

/// Those of the application: what handles a click knows no context.
static QUESTIONS: OnceLock<Questions> = OnceLock::new();

impl Questions {
    pub(crate) fn provide() {
        let questions = Self { asked: RwSignal::new(None), opened: RwSignal::new(None) };
        // The application is mounted once.
        _ = QUESTIONS.set(questions);
        provide_context(questions);
    }

    pub(crate) fn expect() -> Self {
        QUESTIONS.get().copied().unwrap_or_else(expect_context)
    }

    pub(crate) fn ask(self, question: Question) {
        self.opened.set(None);
        self.asked.set(Some(question));
    }

    /// Shows any dialog; it ends with [`Questions::close`].
    pub(crate) fn open(self, view: Callback<(), AnyView>) {
        self.asked.set(None);
        self.opened.set(Some(view));
    }

    pub(crate) fn close(self) {
        self.asked.set(None);
        self.opened.set(None);
    }
}

/// Where the open question is shown.
#[component]
pub(crate) fn OpenQuestion() -> impl IntoView {
    let questions = Questions::expect();
    let opened = move || questions.opened.get().map(|view| view.run(()));
    let asked = move || {
        questions.asked.get().map(|question| match question {
            Question::CreateVolume => view! { <CreateVolumeDialog /> }.into_any(),
            Question::Attach { volumes } => view! { <AttachDialog volumes /> }.into_any(),
            Question::Detach { volumes } => view! { <DetachDialog volumes /> }.into_any(),
            Question::DeleteVolumes { volumes } => view! { <DeleteVolumesDialog volumes /> }.into_any(),
            Question::TakeSnapshot { volume } => view! { <TakeSnapshotDialog volume /> }.into_any(),
            Question::Expand { volume } => view! { <ExpandDialog volume /> }.into_any(),
            Question::CancelExpansion { volume } => view! { <CancelExpansionDialog volume /> }.into_any(),
            Question::Salvage { volume } => view! { <SalvageDialog volume /> }.into_any(),
            Question::Revert { volume, snapshot } => view! { <RevertDialog volume snapshot /> }.into_any(),
            Question::DeleteSnapshot { volume, snapshot } => {
                view! { <DeleteSnapshotDialog volume snapshot /> }.into_any()
            }
        })
    };
    (asked, opened)
}

/// `the volume mysql-data`, `3 volumes`.
fn subject(names: &[String]) -> String {
    match names {
        [name] => name.clone(),
        names => crate::words::count(names.len(), "volume"),
    }
}
