//! A dialog that says what will happen, and asks for the name where something is lost.

use leptos::prelude::*;

use super::form::Sending;
use crate::components::dialog::Tone;

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
    _ = (question.title, question.answer, question.tone, question.consequences, question.lines, question.typed);
    _ = question.submit;
}
