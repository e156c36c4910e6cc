//! Delete a snapshot.

use aurochs_api::snapshot::SnapshotInput;
use aurochs_api::volume::actions::SnapshotDelete;
use leptos::prelude::*;

use super::Questions;
use crate::api;
use crate::components::call::Call;
use crate::components::dialog::{Dialog, Tone};
use crate::notices::Notices;

#[component]
pub(super) fn DeleteSnapshotDialog(volume: String, snapshot: String) -> impl IntoView {
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let call = Call::new();
    let title = format!("Delete the snapshot {snapshot}");
    let answer = Callback::new(move |()| {
        let (volume, snapshot) = (volume.clone(), snapshot.clone());
        let done = format!("Snapshot {snapshot} deleted.");
        let input = SnapshotInput { name: snapshot, ..SnapshotInput::default() };
        call.run(async move { api::act::<SnapshotDelete>(&volume, &input).await }, move |_| {
            notices.done(done);
            questions.close();
        });
    });
    view! {
        <Dialog
            title
            answer="Delete snapshot"
            tone=Tone::Danger
            ready=Signal::derive(|| true)
            call
            on_answer=answer
            on_close=Callback::new(move |()| questions.close())
        >
            <p>"You can no longer go back to it. The volume itself and its other snapshots keep all their data."</p>
        </Dialog>
    }
}
