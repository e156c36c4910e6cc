//! Trying a target: each step, the one that failed with its reason, and what to do next.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};

use crate::api::{self, ApiError};
use crate::components::badge::Shape;
use crate::components::call::{Call, Failure};
use crate::components::dialog::Dialog;
use crate::dialogs::Questions;
use crate::live::Thing;
use crate::words::{Mark, fill, tr};

/// A dialog that tries a target as it is.
pub(crate) fn ask_test(target: &Thing) {
    let name = target.text("name").to_owned();
    let questions = Questions::expect();
    questions.open(Callback::new(move |()| {
        let close = Callback::new(move |()| questions.close());
        let target = name.clone();
        view! {
            <Dialog
                title=fill("Test {}", &[&name])
                answer=tr("Done")
                only_tells=true
                ready=true
                call=Call::new()
                on_answer=close
                on_close=close
            >
                <Trial target body=json!({}) at_once=true />
            </Dialog>
        }
        .into_any()
    }));
}

/// A button and what came of it. `body` says what is tried instead of what is kept.
#[component]
pub(super) fn Trial(target: String, body: Value, at_once: bool) -> impl IntoView {
    let busy = RwSignal::new(false);
    let told = RwSignal::new(None::<Result<Thing, ApiError>>);
    let run = Callback::new(move |()| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        told.set(None);
        let address = format!("{}?action=backupTargetTest", api::address_of("backuptargets", &target));
        let body = body.clone();
        spawn_local(async move {
            let answer = api::post(&address, &body).await;
            _ = told.try_set(Some(answer));
            _ = busy.try_set(false);
        });
    });
    if at_once {
        run.run(());
    }
    let outcome = move || {
        told.get().map(|told| match told {
            Ok(told) => view! { <Outcome told /> }.into_any(),
            Err(error) => view! { <Failure error=Some(error) /> }.into_any(),
        })
    };
    let words = move || match (busy.get(), told.with(Option::is_some)) {
        (true, _) => tr("Testing…"),
        (false, false) => tr("Test"),
        (false, true) => tr("Test again"),
    };
    view! {
        <div class="trial" data-testid="trial">
            <button type="button" disabled=move || busy.get() aria-busy=move || busy.get().to_string() on:click=move |_| run.run(())>
                {words}
            </button>
            <div aria-live="polite">{outcome}</div>
        </div>
    }
}

#[component]
fn Outcome(told: Thing) -> impl IntoView {
    let step = |step: Thing| {
        let passed = step.flag("passed");
        let mark = if passed { Mark::Healthy } else { Mark::Faulted };
        let took = step.number("milliseconds").filter(|took| *took > 0.0).map(|took| format!("{took} ms"));
        view! {
            <li class=mark.class()>
                <Shape mark=Signal::stored(mark) />
                <span>{words_of_step(step.text("name"))}</span>
                <span class="xs">{took}</span>
            </li>
        }
    };
    let steps = told.items("steps").into_iter().map(step).collect_view();
    let end = if told.flag("usable") {
        view! { <p>{tr("Backups can be kept here.")}</p> }.into_any()
    } else {
        let (message, next_step) = (told.told("message"), told.told("nextStep"));
        view! { <div class="failure" data-testid="failure"><p>{message}</p><p class="dim">{next_step}</p></div> }
            .into_any()
    };
    view! { <ul class="steps">{steps}</ul>{end} }
}

/// The manager's names of steps.
fn words_of_step(name: &str) -> String {
    let words = match name {
        "address" => tr("Address is understood"),
        "credentials" => tr("Credentials are complete"),
        "connect" => tr("Connect"),
        "list" => tr("List what is there"),
        "write" => tr("Write a small file"),
        "read" => tr("Read it back"),
        "delete" => tr("Delete it"),
        other => return other.to_owned(),
    };
    words.to_owned()
}
