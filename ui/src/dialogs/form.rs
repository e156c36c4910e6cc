//! A dialog with fields. What was typed stays when the manager refuses; what is wrong shows as it is typed.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;

use crate::api::ApiError;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};

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
    /// Below the fields: what would come of it.
    pub(crate) preview: Option<Callback<Values, AnyView>>,
    pub(crate) submit: Callback<Values, Sending>,
}

pub(crate) fn ask_form(question: FormQuestion) {
    _ = (question.title, question.answer, question.tone, question.intro.is_some(), question.fields.len());
    _ = (question.preview, question.submit);
}
