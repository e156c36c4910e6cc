//! A dialog with fields. What was typed stays when the manager refuses; what is wrong shows as it is typed.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use leptos::prelude::*;

use super::Questions;
use crate::api::ApiError;
use crate::components::call::Call;
use crate::components::dialog::{Dialog, Tone};
use crate::components::form::{Field, Fields, Typed, Values};
use crate::notices::Notices;
use crate::words::tr;

const REST: Duration = Duration::from_millis(350);

/// A call on its way; answers with the notice to show.
pub(crate) type Sending = Pin<Box<dyn Future<Output = Result<String, ApiError>>>>;

/// A question with fields. Titles and intros are translated already.
#[derive(Clone)]
pub(crate) struct FormQuestion {
    pub(crate) title: String,
    /// Words of the button, in English.
    pub(crate) answer: &'static str,
    pub(crate) tone: Tone,
    pub(crate) intro: Option<ViewFn>,
    pub(crate) fields: Vec<Field>,
    /// Below the fields: what would come of it. Made once, with the values since typing rests.
    pub(crate) preview: Option<Callback<Signal<Values>, AnyView>>,
    pub(crate) submit: Callback<Values, Sending>,
}

pub(crate) fn ask_form(question: FormQuestion) {
    let questions = Questions::expect();
    questions.open(Callback::new(move |()| {
        let question = question.clone();
        view! { <FormDialog question /> }.into_any()
    }));
}

#[component]
fn FormDialog(question: FormQuestion) -> impl IntoView {
    let FormQuestion { title, answer, tone, intro, fields, preview, submit } = question;
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let call = Call::new();
    let form = Typed::new(fields);
    let send = Callback::new(move |()| {
        let sending = submit.run(untrack(|| form.values()));
        call.run(sending, move |notice| {
            notices.done(notice);
            questions.close();
        });
    });
    view! {
        <Dialog
            title
            answer=tr(answer)
            tone
            ready=Signal::derive(move || form.is_right())
            call
            on_answer=send
            on_close=Callback::new(move |()| questions.close())
        >
            {intro.map(|intro| intro.run())}
            <Fields form />
            {preview.map(|preview| preview.run(settled(form).into()))}
        </Dialog>
    }
}

/// What the fields say since typing rests: a preview asks the manager.
fn settled(form: Typed) -> RwSignal<Values> {
    let settled = RwSignal::new(untrack(|| form.values()));
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let stop = move || {
        if let Some(Some(timer)) = timer.try_update_value(Option::take) {
            timer.clear();
        }
    };
    on_cleanup(stop);
    Effect::new(move |_| {
        let values = form.values();
        stop();
        if settled.with_untracked(|settled| *settled != values) {
            timer.set_value(set_timeout_with_handle(move || _ = settled.try_set(values.clone()), REST).ok());
        }
    });
    settled
}
