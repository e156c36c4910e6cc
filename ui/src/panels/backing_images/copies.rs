//! Where an image is: one line for each disk that has a copy, or is to have one.

use leptos::prelude::*;
use serde_json::json;

use crate::api;
use crate::components::badge::Badge;
use crate::components::bar::Progress;
use crate::components::call::{Call, Failure};
use crate::components::causes::WhyList;
use crate::components::dialog::{Dialog, Tone};
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, Questions, Sending, ask_form};
use crate::live::{Live, Thing, follow};
use crate::role;
use crate::words::{Mark, fill, tr};

const COPIES_MAXIMUM: i64 = 20;

/// Longhorn's states of a copy.
pub(super) fn state_of_copy(state: &str) -> (Mark, &'static str) {
    match state {
        "pending" => (Mark::Idle, tr("Waits for its content")),
        "starting" => (Mark::Progress, tr("Starting")),
        "in-progress" => (Mark::Progress, tr("In progress")),
        "ready-for-transfer" => (Mark::Progress, tr("Ready to be copied")),
        "ready" => (Mark::Healthy, tr("Ready")),
        "failed" | "failed-and-cleanup" => (Mark::Faulted, tr("Failed")),
        _ => (Mark::Idle, tr("Unknown")),
    }
}

pub(super) fn show_copies(image: &Thing) {
    let (id, name) = (image.id().to_owned(), image.text("name").to_owned());
    let questions = Questions::expect();
    questions.open(Callback::new(move |()| {
        let close = Callback::new(move |()| questions.close());
        let id = id.clone();
        view! {
            <Dialog
                title=fill("Copies of {}", &[&name])
                answer=tr("Done")
                only_tells=true
                ready=true
                call=Call::new()
                on_answer=close
                on_close=close
            >
                <Copies id />
            </Dialog>
        }
        .into_any()
    }));
}

#[component]
fn Copies(id: String) -> impl IntoView {
    let live = Live::expect();
    let images = follow("backingimages");
    let image = Memo::new(move |_| images.get(&id));
    let call = Call::new();
    // Node and name of a disk by its UUID.
    let place = move |uuid: &str| {
        let nodes = live.nodes.all();
        let found = nodes.iter().find_map(|node| {
            let disk = node.disks.iter().find(|(_, disk)| disk.disk_uuid == uuid).map(|(name, _)| name.clone())?;
            Some(format!("{} · {disk}", node.name))
        });
        found.unwrap_or_else(|| uuid.to_owned())
    };
    let line = move |image: &Thing, (uuid, copy): (String, Thing)| {
        let (mark, words) = state_of_copy(copy.text("state"));
        let percent = copy.number("progress").filter(|_| copy.text("state") == "in-progress");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percent")]
        let progress = percent.map(|percent| view! { <Progress percent=Signal::stored(percent as u32) label=words /> });
        let message = Some(copy.told("message")).filter(|message| !message.is_empty());
        let address = format!("{}?action=backingImageCleanup", api::address_of("backingimages", image.id()));
        let (where_it_is, disk) = (place(&uuid), uuid);
        let clean = move |_| {
            let (address, body) = (address.clone(), json!({"disks": [disk.clone()]}));
            call.run(async move { api::post(&address, &body).await }, |_| {});
        };
        view! {
            <li class="copy">
                <span>{where_it_is}</span>
                <Badge mark=Signal::stored(mark) text=words />
                {progress}
                <Show when=role::may_write>
                    <button type="button" class="ghost" on:click=clean.clone()>{tr("Remove this copy")}</button>
                </Show>
                {message.map(|message| view! { <p class="hint">{message}</p> })}
            </li>
        }
    };
    view! {
        {move || image.get().map(|image| {
            let causes = image.causes();
            let copies = image.map("diskFileStatusMap");
            let none = copies.is_empty().then(|| view! { <p class="calm dim">{tr("No disk has it.")}</p> });
            let lines = copies.into_iter().map(|copy| line(&image, copy)).collect_view();
            view! { <WhyList causes /><ul class="copies">{lines}</ul>{none} }
        })}
        <Failure error=call.error />
    }
}

pub(super) fn ask_copies(image: &Thing) {
    let kept = image.clone();
    #[expect(clippy::cast_possible_truncation, reason = "a handful of copies")]
    let now = image.number("minNumberOfCopies").map_or(1, |number| number as i64);
    ask_form(FormQuestion {
        title: fill("Copies of {}", &[&image.text("name")]),
        answer: "Save",
        tone: Tone::Plain,
        intro: None,
        fields: vec![
            Field::number("minNumberOfCopies", "Minimum number of copies", 1, COPIES_MAXIMUM)
                .value(now)
                .hint("Volumes that stand on it bring one to each disk of theirs besides."),
        ],
        preview: None,
        submit: Callback::new(move |values: Values| {
            let image = kept.clone();
            Box::pin(async move {
                let address =
                    format!("{}?action=updateMinNumberOfCopies", api::address_of("backingimages", image.id()));
                api::post(&address, &values.json()).await?;
                Ok(fill("Backing image {} is changed.", &[&image.text("name")]))
            }) as Sending
        }),
    });
}
