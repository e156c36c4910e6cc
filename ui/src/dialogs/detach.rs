//! Take volumes away from their nodes.

use aurochs_api::attachment::DetachInput;
use aurochs_api::volume::actions::Detach;
use leptos::prelude::*;

use super::{Questions, subject};
use crate::api;
use crate::components::call::Call;
use crate::components::dialog::Dialog;
use crate::live::Live;
use crate::notices::Notices;

#[component]
pub(super) fn DetachDialog(volumes: Vec<String>) -> impl IntoView {
    let live = Live::expect();
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let names = RwSignal::new(volumes);
    let call = Call::new();
    let answer = Callback::new(move |()| {
        let what = names.with_untracked(|names| subject(names));
        let detach =
            |volume: String| async move { api::act::<Detach>(&volume, &DetachInput::default()).await.map(drop) };
        call.run_for_each(names, detach, move |_| {
            notices.done(format!("Detaching {what}."));
            questions.close();
        });
    });
    let line = move |name: String| {
        let volume = live.volumes.get(&name)?;
        let device = volume.endpoint().to_owned();
        let node = volume.node().to_owned();
        let device =
            if device.is_empty() { "No device is offered now".to_owned() } else { format!("{device} goes away") };
        Some(view! { <li><strong>{name}</strong>" on "{node}". "<span class="dim">{device}"."</span></li> })
    };
    view! {
        <Dialog
            title=Signal::derive(move || format!("Detach {}", names.with(|names| subject(names))))
            answer="Detach"
            ready=Signal::derive(|| true)
            call
            on_answer=answer
            on_close=Callback::new(move |()| questions.close())
        >
            <p>"Unmount the file system first: whoever still uses the device gets errors. The data stays."</p>
            <ul class="consequences">{move || names.get().into_iter().filter_map(line).collect_view()}</ul>
        </Dialog>
    }
}
