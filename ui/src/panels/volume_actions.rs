//! The entries of a volume's menu.

use aurochs_api::volume::Volume;
use leptos::prelude::*;

use crate::components::menu::Entry;
use crate::dialogs::{Question, Questions};
use crate::model::action::{Action, Refusal, refusal};
use crate::words;

/// Those that are of use in trouble alone stand there in that trouble alone.
fn is_listed(action: Action, refusal: Option<Refusal>) -> bool {
    match action {
        Action::CancelExpansion => refusal != Some(Refusal::NotExpanding),
        Action::Salvage => refusal != Some(Refusal::NotFaulted),
        _ => true,
    }
}

/// All actions, those that are impossible now with their reason.
pub(crate) fn entries(volume: &Volume, questions: Questions) -> Vec<Entry> {
    let entry = |action: Action| {
        let (question, refusal) = (question(action, &volume.name), refusal(action, volume));
        is_listed(action, refusal).then(|| Entry {
            label: words::action(action).to_owned(),
            refusal: refusal.map(|refusal| words::refusal(refusal).to_owned()),
            danger: matches!(action, Action::Delete | Action::Salvage),
            choose: Callback::new(move |()| questions.ask(question.clone())),
        })
    };
    Action::ALL.into_iter().filter_map(entry).collect()
}

pub(crate) fn question(action: Action, volume: &str) -> Question {
    let volumes = vec![volume.to_owned()];
    match action {
        Action::Attach => Question::Attach { volumes },
        Action::Detach => Question::Detach { volumes },
        Action::TakeSnapshot => Question::TakeSnapshot { volume: volume.to_owned() },
        Action::Expand => Question::Expand { volume: volume.to_owned() },
        Action::CancelExpansion => Question::CancelExpansion { volume: volume.to_owned() },
        Action::Salvage => Question::Salvage { volume: volume.to_owned() },
        Action::Delete => Question::DeleteVolumes { volumes },
    }
}
