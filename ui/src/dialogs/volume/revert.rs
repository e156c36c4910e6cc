//! Go back to a snapshot. A volume in use is taken through maintenance mode and back, step by step, in view.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use aurochs_api::volume::{Volume, VolumeState};
use leptos::prelude::*;
use serde_json::json;

use super::batch::act;
use crate::api::ApiError;
use crate::components::badge::Shape;
use crate::components::call::Call;
use crate::components::dialog::{Dialog, Tone};
use crate::dialogs::Questions;
use crate::live::Live;
use crate::model::revert::{Next, Progress, Step, next, plan};
use crate::notices::Notices;
use crate::words::{self, Mark, fill, tr};

pub(crate) fn ask(volume: String, snapshot: String) {
    Questions::expect().open(Callback::new(move |()| {
        let (volume, snapshot) = (volume.clone(), snapshot.clone());
        view! { <RevertDialog volume snapshot /> }.into_any()
    }));
}

/// What the steps need to know.
#[derive(Clone)]
struct Way {
    volume: String,
    snapshot: String,
    /// Where it was attached when it began.
    node: String,
}

impl Way {
    async fn go(self, step: Step) -> Result<(), ApiError> {
        match step {
            // Without a name the manager chooses one.
            Step::Keep => act(&self.volume, "snapshotCreate", &json!({})).await,
            Step::Detach | Step::DetachAgain => act(&self.volume, "detach", &json!({})).await,
            Step::AttachForMaintenance => self.attach(true).await,
            Step::Revert => act(&self.volume, "snapshotRevert", &json!({ "name": self.snapshot })).await,
            Step::AttachAsBefore => self.attach(false).await,
        }
    }

    async fn attach(self, maintenance: bool) -> Result<(), ApiError> {
        act(&self.volume, "attach", &json!({ "hostId": self.node, "disableFrontend": maintenance })).await
    }
}

#[component]
fn RevertDialog(volume: String, snapshot: String) -> impl IntoView {
    let live = Live::expect();
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let name = volume.clone();
    let shape = live.volume(move || name.clone());
    let begun_with = shape.get_untracked().unwrap_or_default();
    let way = Way { volume, snapshot, node: begun_with.node().to_owned() };
    let in_use = begun_with.state == VolumeState::Attached && !begun_with.disable_frontend;
    let progress = RwSignal::new(Progress { keep: true, kept: false, in_use, reverted: false });
    let running = RwSignal::new(false);
    let call = Call::new();
    let title = fill("Go back to snapshot {}", &[&way.snapshot]);
    let done = fill("{} is as it was at snapshot {}.", &[&way.volume, &way.snapshot]);
    drive(way, shape, progress, running, call, move || {
        notices.done(done.clone());
        questions.close();
    });
    view! {
        <Dialog
            title
            answer=if in_use { tr("Detach, go back, attach again") } else { tr("Go back") }
            tone=Tone::Danger
            ready=Signal::derive(move || !running.get())
            call
            on_answer=Callback::new(move |()| {
                call.error.set(None);
                running.set(true);
            })
            on_close=Callback::new(move |()| questions.close())
        >
            <Explanation in_use />
            <label class="check">
                <input
                    type="checkbox"
                    name="keep"
                    prop:checked=move || progress.get().keep
                    disabled=move || running.get()
                    on:change:target=move |event| progress.update(|progress| progress.keep = event.target().checked())
                />
                <span>
                    {tr("Take a snapshot of the present first")}
                    <span class="hint">{tr("Then you can come back to where you are now.")}</span>
                </span>
            </label>
            <Steps shape progress running />
        </Dialog>
    }
}

#[component]
fn Explanation(in_use: bool) -> impl IntoView {
    let way = if in_use {
        tr(
            "That needs the volume attached without a device, so that nobody writes meanwhile: it is detached, attached in maintenance mode, set back and attached again. Unmount the file system first.",
        )
    } else {
        tr("The volume is in maintenance mode, so it can be done at once.")
    };
    view! {
        <p>{tr("The volume gets the content of that moment. What was written since then is gone from it, unless another snapshot has it.")}</p>
        <p class="dim">{way}</p>
    }
}

/// Does the next step whenever the volume has got to where it can be done; stops at the first refusal.
fn drive(
    way: Way,
    shape: Memo<Option<Arc<Volume>>>,
    progress: RwSignal<Progress>,
    running: RwSignal<bool>,
    call: Call,
    finished: impl Fn() + 'static,
) {
    let finished = Rc::new(finished);
    // A step that was asked for is not asked for again before the volume shows its effect.
    let asked = Rc::new(RefCell::new(None::<Step>));
    Effect::new(move |_| {
        if call.error.get().is_some() {
            running.set(false);
            asked.replace(None);
        }
        let (Some(volume), false, true) = (shape.get(), call.busy.get(), running.get()) else { return };
        match next(&volume, progress.get()) {
            Next::Finished => finished(),
            Next::Wait(_) => {}
            Next::Do(step) if *asked.borrow() == Some(step) => {}
            Next::Do(step) => {
                asked.replace(Some(step));
                call.run(way.clone().go(step), move |()| {
                    _ = progress.try_update(|progress| match step {
                        Step::Keep => progress.kept = true,
                        Step::Revert => progress.reverted = true,
                        Step::Detach | Step::AttachForMaintenance | Step::DetachAgain | Step::AttachAsBefore => {}
                    });
                });
            }
        }
    });
}

#[component]
fn Steps(shape: Memo<Option<Arc<Volume>>>, progress: RwSignal<Progress>, running: RwSignal<bool>) -> impl IntoView {
    let current = Memo::new(move |_| {
        let volume = shape.get()?;
        match next(&volume, progress.get()) {
            Next::Do(step) | Next::Wait(step) => Some(step),
            Next::Finished => None,
        }
    });
    let line = move |steps: &[Step], index: usize| {
        let at = current.get().and_then(|step| steps.iter().position(|other| *other == step)).unwrap_or(steps.len());
        let mark = match index.cmp(&at) {
            std::cmp::Ordering::Less => Mark::Healthy,
            std::cmp::Ordering::Equal if running.get() => Mark::Progress,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => Mark::Idle,
        };
        view! { <li class=mark.class()><Shape mark=Signal::stored(mark) /><span>{words::step(steps[index])}</span></li> }
    };
    view! {
        <ol class="steps" aria-label=tr("Steps")>
            {move || {
                let steps = plan(progress.get());
                (0..steps.len()).map(|index| line(&steps, index)).collect_view()
            }}
        </ol>
    }
}
