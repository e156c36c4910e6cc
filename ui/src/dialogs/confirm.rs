//! A dialog that says what will happen, and asks for the name where something is lost.

use leptos::prelude::*;

use super::Questions;
use super::form::Sending;
use crate::components::call::Call;
use crate::components::consequences::Consequences;
use crate::components::dialog::{Dialog, Tone};
use crate::notices::Notices;
use crate::words::tr;

/// A question without fields. Titles and lines are translated already.
#[derive(Clone)]
pub(crate) struct Confirm {
    pub(crate) title: String,
    /// Words of the button, in English.
    pub(crate) answer: &'static str,
    pub(crate) tone: Tone,
    /// Address of what would come of it: `v1/whatif?change=…`.
    pub(crate) consequences: Option<String>,
    /// Paragraphs.
    pub(crate) lines: Vec<String>,
    /// What has to be typed.
    pub(crate) typed: Option<String>,
    pub(crate) submit: Callback<(), Sending>,
}

pub(crate) fn ask_confirm(question: Confirm) {
    let questions = Questions::expect();
    questions.open(Callback::new(move |()| {
        let question = question.clone();
        view! { <ConfirmDialog question /> }.into_any()
    }));
}

#[component]
fn ConfirmDialog(question: Confirm) -> impl IntoView {
    let Confirm { title, answer, tone, consequences, lines, typed, submit } = question;
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let call = Call::new();
    let given = RwSignal::new(String::new());
    let wanted = typed.clone();
    let ready = Signal::derive(move || wanted.as_ref().is_none_or(|wanted| given.with(|given| given.trim() == wanted)));
    let send = Callback::new(move |()| {
        call.run(submit.run(()), move |notice| {
            notices.done(notice);
            questions.close();
        });
    });
    let line = |line: String| view! { <p>{line}</p> };
    let typing = typed.map(|typed| {
        view! {
            <label class="field">
                <span>{tr("To confirm, type")}" "<strong class="mono">{typed}</strong></span>
                <input autofocus name="confirm" spellcheck="false" autocapitalize="off" autocomplete="off" data-testid="confirm-name" bind:value=given />
            </label>
        }
    });
    view! {
        <Dialog
            title
            answer=tr(answer)
            tone
            ready
            call
            on_answer=send
            on_close=Callback::new(move |()| questions.close())
        >
            {lines.into_iter().map(line).collect_view()}
            {consequences.map(|address| view! { <Consequences address=Signal::stored(address) /> })}
            {typing}
        </Dialog>
    }
}
