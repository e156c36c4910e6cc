//! Support bundles: everything that helps to find out what went wrong, in one file.

use leptos::prelude::*;
use serde_json::json;

use super::titled;
use crate::api;
use crate::components::badge::Badge;
use crate::components::bar::Progress;
use crate::components::causes::WhyList;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::components::icon::{Icon, Pictogram};
use crate::components::page::PageHead;
use crate::components::skeleton::Skeleton;
use crate::dialogs::{FormQuestion, Sending, ask_form};
use crate::live::{List, ListState, Live, Thing, follow};
use crate::panels::ops::acts::Plan;
use crate::role::may_write;
use crate::words::{bundle_state, fill, tr};

#[component]
pub(crate) fn SupportPage() -> impl IntoView {
    titled(|| tr("Support bundle").to_owned());
    let live = Live::expect();
    let bundles = follow("supportbundles");
    // The job of a bundle moves once a second, and tells when it is ready.
    let moved = Memo::new(move |_| {
        let jobs = live.jobs.all();
        let of_bundles = jobs.iter().filter(|job| job.kind.word() == "supportBundle");
        of_bundles.map(|job| (job.object.clone(), job.state, job.done_bytes, job.phases.len())).collect::<Vec<_>>()
    });
    Effect::new(move |before: Option<()>| {
        moved.track();
        if before.is_some() {
            bundles.refresh();
        }
    });
    let create = move || {
        may_write().then(|| view! {
        <button type="button" class="primary" on:click=move |_| ask(bundles)><Pictogram icon=Icon::Plus />{tr("Make a support bundle")}</button>
    })
    };
    let rows = move || bundles.all().into_iter().map(|bundle| view! { <Bundle bundle bundles /> }).collect_view();
    view! {
        <PageHead title=tr("Support bundle") actions=move || create />
        <p class="dim">{tr("A bundle has the manager's log, the state of all resources, settings, events, jobs and what the nodes say of themselves, without secrets. One is kept at a time; it is deleted when it was downloaded.")}</p>
        {move || match (bundles.all().is_empty(), bundles.state()) {
            (true, ListState::Loading) => view! { <section class="card"><Skeleton lines=3 /></section> }.into_any(),
            (true, ListState::Failed(error)) => view! { <section class="card"><p>{error.message}</p><p class="dim">{error.next_step}</p></section> }.into_any(),
            (true, ListState::Ready) => view! {
                <section class="card"><p class="calm dim">{tr("There is none. Make one when you ask somebody for help: it tells them what they would ask for first.")}</p></section>
            }.into_any(),
            (false, _) => view! { <div class="stack">{rows()}</div> }.into_any(),
        }}
    }
}

fn ask(bundles: List) {
    let submit = Callback::new(move |values: Values| -> Sending {
        let body = json!({"issueURL": values.text("issueURL"), "description": values.text("description")});
        Box::pin(async move {
            api::post("v1/supportbundles", &body).await?;
            bundles.refresh();
            Ok(tr("The support bundle is being made.").to_owned())
        })
    });
    ask_form(FormQuestion {
        title: tr("Make a support bundle").to_owned(),
        answer: "Make it",
        tone: Tone::Plain,
        intro: None,
        fields: vec![
            Field::text("issueURL", "Address of the issue").hint("Where you ask for help, if anywhere"),
            Field::area("description", "Description").hint("What you saw, and what you expected"),
        ],
        preview: None,
        submit,
    });
}

#[component]
fn Bundle(bundle: Thing, bundles: List) -> impl IntoView {
    let (mark, word) = bundle_state(bundle.text("state"));
    let name = bundle.text("name").to_owned();
    let address = format!("v1/supportbundles/{}/{name}", bundle.text("nodeID"));
    let state = bundle.text("state").to_owned();
    let is_ready = state == "ReadyForDownload";
    let is_made = matches!(state.as_str(), "" | "Started" | "Generating");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage")]
    let percent = bundle.number("progressPercentage").unwrap_or_default().clamp(0.0, 100.0) as u32;
    let progress =
        is_made.then(|| view! { <Progress percent=Signal::stored(percent) label=fill("{} %", &[&percent]) /> });
    let error =
        Some(bundle.text("errorMessage").to_owned()).filter(|error| !error.is_empty() && bundle.causes().is_empty());
    let error = error.map(|error| view! { <p class="failure">{error}</p> });
    let download = format!("{address}/download");
    let get = move || {
        let download = download.clone();
        (is_ready && may_write())
            .then(|| view! { <a class="button" href=download rel="external" download="">{tr("Download")}</a> })
    };
    let delete = move || {
        let (address, name) = (address.clone(), name.clone());
        may_write().then(|| view! { <button type="button" on:click=move |_| remove(&name, &address, bundles)>{tr("Delete…")}</button> })
    };
    view! {
        <section class="card" aria-label=bundle.text("name").to_owned() data-testid="bundle">
            <div class="head">
                <h2 class="title mono">{bundle.text("name").to_owned()}</h2>
                <Badge mark=Signal::stored(mark) text=word.to_owned() />
                <span class="dim">{is_made.then(|| fill("{} %", &[&percent]))}</span>
                <div class="right">{get}{delete}</div>
            </div>
            {progress}
            {error}
            <WhyList causes=bundle.causes() />
        </section>
    }
}

fn remove(name: &str, address: &str, bundles: List) {
    let address = address.to_owned();
    let plan = Plan {
        title: fill("Delete {}?", &[&name]),
        answer: "Delete",
        tone: Tone::Danger,
        consequences: None,
        lines: vec![tr("One that is being made ends.").to_owned()],
        typed: None,
        done: tr("The support bundle is being deleted.").to_owned(),
    };
    plan.ask(move || {
        let address = address.clone();
        async move {
            api::remove(&address).await?;
            bundles.refresh();
            Ok(())
        }
    });
}
