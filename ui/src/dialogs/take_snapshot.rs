//! Take a snapshot.

use aurochs_api::ids::check_snapshot_name;
use aurochs_api::snapshot::SnapshotInput;
use aurochs_api::volume::actions::SnapshotCreate;
use leptos::prelude::*;

use super::Questions;
use crate::api;
use crate::components::call::Call;
use crate::components::dialog::Dialog;
use crate::live::Live;
use crate::notices::Notices;

#[component]
pub(super) fn TakeSnapshotDialog(volume: String) -> impl IntoView {
    let live = Live::expect();
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let name = RwSignal::new(String::new());
    let call = Call::new();
    let of = volume.clone();
    let error = Memo::new(move |_| {
        let name = name.get();
        let taken = live.volumes.get(&of).is_some_and(|volume| volume.snapshots.iter().any(|layer| layer.name == name));
        match check_snapshot_name(&name) {
            _ if name.is_empty() => None,
            Err(error) => Some(error.to_string()),
            Ok(()) if taken => Some("there is a snapshot of that name already".to_owned()),
            Ok(()) => None,
        }
    });
    let title = format!("Take a snapshot of {volume}");
    let answer = Callback::new(move |()| {
        let (volume, name) = (volume.clone(), name.get_untracked());
        let done = if name.is_empty() { "Snapshot taken.".to_owned() } else { format!("Snapshot {name} taken.") };
        // An empty name lets the manager choose one.
        let input = SnapshotInput { name, ..SnapshotInput::default() };
        call.run(async move { api::act::<SnapshotCreate>(&volume, &input).await }, move |_| {
            notices.done(done);
            questions.close();
        });
    });
    view! {
        <Dialog
            title
            answer="Take snapshot"
            ready=Signal::derive(move || error.get().is_none())
            call
            on_answer=answer
            on_close=Callback::new(move |()| questions.close())
        >
            <p class="dim">"It keeps the volume as it is at this moment, on all replicas. Writing goes on."</p>
            <label class="field">
                <span>"Name"</span>
                <input
                    autofocus
                    name="name"
                    placeholder="before-upgrade"
                    spellcheck="false"
                    autocapitalize="off"
                    aria-invalid=move || error.get().is_some().to_string()
                    aria-describedby="snapshot-error"
                    bind:value=name
                />
                <span id="snapshot-error" class="hint" class:error=move || error.get().is_some() aria-live="polite">
                    {move || error.get().unwrap_or_else(|| "Optional; without one a unique name is made".to_owned())}
                </span>
            </label>
        </Dialog>
    }
}
