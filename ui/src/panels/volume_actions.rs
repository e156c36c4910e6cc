//! The entries of a volume's menu.

use aurochs_api::volume::Volume;
use leptos::prelude::*;

use crate::components::menu::Entry;
use crate::dialogs::{Question, Questions};
use crate::model::action::{Action, refusal};
use crate::words;

const ALL: [Action; 4] = [Action::Attach, Action::Detach, Action::TakeSnapshot, Action::Delete];

/// All actions, those that are impossible now with their reason.
pub(crate) fn entries(volume: &Volume, questions: Questions) -> Vec<Entry> {
    let entry = |action: Action| {
        let question = question(action, &volume.name);
        Entry {
            label: words::action(action).to_owned(),
            refusal: refusal(action, volume).map(|refusal| words::refusal(refusal).to_owned()),
            danger: action == Action::Delete,
            choose: Callback::new(move |()| questions.ask(question.clone())),
        }
    };
    ALL.into_iter().map(entry).collect()
}

pub(crate) fn question(action: Action, volume: &str) -> Question {
    let volumes = vec![volume.to_owned()];
    match action {
        Action::Attach => Question::Attach { volumes },
        Action::Detach => Question::Detach { volumes },
        Action::TakeSnapshot => Question::TakeSnapshot { volume: volume.to_owned() },
        Action::Delete => Question::DeleteVolumes { volumes },
    }
}
