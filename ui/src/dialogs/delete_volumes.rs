//! Delete volumes: what is lost, and the name typed when there is something to lose.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};

use super::{Questions, subject};
use crate::components::call::Call;
use crate::components::dialog::{Dialog, Tone};
use crate::live::Live;
use crate::model::action::may_hold_data;
use crate::model::snapshot_tree::{LayerKind, kind};
use crate::notices::Notices;
use crate::{address, api, words};

#[component]
pub(super) fn DeleteVolumesDialog(volumes: Vec<String>) -> impl IntoView {
    let live = Live::expect();
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let names = RwSignal::new(volumes);
    let typed = RwSignal::new(String::new());
    let call = Call::new();
    let shapes = Memo::new(move |_| names.get().iter().filter_map(|name| live.volumes.get(name)).collect::<Vec<_>>());
    // Asked at the beginning: the wish to type must not go away while somebody types.
    let typing_needed = shapes.get_untracked().iter().any(|volume| may_hold_data(volume));
    let to_type = names.with_untracked(|names| subject(names));
    let wanted = to_type.clone();
    let ready = Signal::derive(move || !typing_needed || typed.get().trim() == wanted);
    let leave = leave_page_of(names.get_untracked());
    let answer = Callback::new(move |()| {
        let leave = leave.clone();
        let what = names.with_untracked(|names| subject(names));
        let delete = |volume: String| async move { api::delete::<Volume>(&volume).await };
        call.run_for_each(names, delete, move |_| {
            notices.done(format!("Deleting {what}."));
            questions.close();
            leave();
        });
    });
    let typing = typing_needed.then(|| view! { <TypeToConfirm to_type typed /> });
    view! {
        <Dialog
            title=Signal::derive(move || format!("Delete {}", names.with(|names| subject(names))))
            answer="Delete for ever"
            tone=Tone::Danger
            ready
            call
            on_answer=answer
            on_close=Callback::new(move |()| questions.close())
        >
            <p>"All replicas are removed from their disks. This can't be undone."</p>
            <ul class="consequences">
                {move || shapes.get().iter().map(|volume| view! { <Loss volume=Arc::clone(volume) /> }).collect_view()}
            </ul>
            {typing}
        </Dialog>
    }
}

/// Goes to the list when the page of one of these volumes is open: it has nothing to show any more.
fn leave_page_of(names: Vec<String>) -> impl Fn() + Clone + Send + Sync {
    let (path, navigate, root) =
        (use_location().pathname, StoredValue::new_local(use_navigate()), address::root_path());
    move || {
        let here = path.get_untracked();
        if names.iter().any(|name| here == format!("{root}/{}", address::volume(name))) {
            let options = NavigateOptions { resolve: false, ..NavigateOptions::default() };
            navigate.with_value(|navigate| navigate(&format!("{root}/volumes"), options));
        }
    }
}

/// What goes with one volume.
#[component]
fn Loss(volume: Arc<Volume>) -> impl IntoView {
    let data = match volume.controllers.first() {
        Some(controller) if controller.actual_size.bytes() == 0 => "nothing was written to it".to_owned(),
        Some(controller) => format!("{} of data", controller.actual_size),
        None => "all its data".to_owned(),
    };
    let snapshots = volume.snapshots.iter().filter(|layer| kind(layer) == LayerKind::User).count();
    let snapshots = (snapshots > 0).then(|| format!(", {}", words::count(snapshots, "snapshot")));
    view! {
        <li><strong>{volume.name.clone()}</strong>" "<span class="dim">{volume.size.to_string()}": "{data}{snapshots}</span></li>
    }
}

#[component]
fn TypeToConfirm(to_type: String, typed: RwSignal<String>) -> impl IntoView {
    view! {
        <label class="field">
            <span>"Type "<strong class="mono">{to_type}</strong>" to confirm"</span>
            <input autofocus name="confirm" spellcheck="false" autocapitalize="off" data-testid="confirm-name" bind:value=typed />
        </label>
    }
}
