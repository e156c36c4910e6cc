//! Take back a size that the volume has not got yet.

use aurochs_api::action::NoInput;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::actions::CancelExpansion;
use leptos::prelude::*;

use super::Questions;
use crate::api;
use crate::components::call::Call;
use crate::components::dialog::Dialog;
use crate::live::Live;
use crate::notices::Notices;

#[component]
pub(super) fn CancelExpansionDialog(volume: String) -> impl IntoView {
    let live = Live::expect();
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let call = Call::new();
    let title = format!("Cancel the expansion of {volume}");
    let of = volume.clone();
    let sizes = move || {
        let volume = live.volumes.get(&of)?;
        let present = volume.controllers.first().map_or(ByteSize::ZERO, |engine| engine.size);
        Some(format!("It was to grow from {present} to {}, and keeps {present}.", volume.size))
    };
    let answer = Callback::new(move |()| {
        let (volume, done) = (volume.clone(), format!("{volume} keeps its size."));
        call.run(async move { api::act::<CancelExpansion>(&volume, &NoInput {}).await }, move |_| {
            notices.done(done);
            questions.close();
        });
    });
    view! {
        <Dialog
            title
            answer="Cancel expansion"
            ready=Signal::derive(|| true)
            call
            on_answer=answer
            on_close=Callback::new(move |()| questions.close())
        >
            <p>{sizes}" Its data is not touched."</p>
        </Dialog>
    }
}
