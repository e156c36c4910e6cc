//! Questions to the user, one at a time. They live above the pages, so that a row that vanishes takes no dialog with it.

mod attach;
mod cancel_expansion;
mod create_volume;
mod delete_snapshot;
mod delete_volumes;
mod detach;
mod expand;
mod revert;
mod salvage;
mod take_snapshot;

use leptos::prelude::*;

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

#[derive(Clone, Copy)]
pub(crate) struct Questions(RwSignal<Option<Question>>);

impl Questions {
    pub(crate) fn provide() {
        provide_context(Self(RwSignal::new(None)));
    }

    pub(crate) fn expect() -> Self {
        expect_context()
    }

    pub(crate) fn ask(self, question: Question) {
        self.0.set(Some(question));
    }

    pub(crate) fn close(self) {
        self.0.set(None);
    }
}

/// Where the open question is shown.
#[component]
pub(crate) fn OpenQuestion() -> impl IntoView {
    let questions = Questions::expect();
    move || {
        questions.0.get().map(|question| match question {
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
    }
}

/// `the volume mysql-data`, `3 volumes`.
fn subject(names: &[String]) -> String {
    match names {
        [name] => name.clone(),
        names => crate::words::count(names.len(), "volume"),
    }
}
