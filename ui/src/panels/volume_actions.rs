//! The entries of a volume's menu.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::prelude::*;

use crate::components::menu::Entry;
use crate::dialogs::{Question, Questions};
use crate::live::Live;
use crate::model::action::{Action, Refusal, refusal};
use crate::role::may_write;
use crate::words;

/// Those that are of use in trouble alone stand there in that trouble alone.
fn is_listed(action: Action, refusal: Option<Refusal>) -> bool {
    match action {
        Action::CancelExpansion => refusal != Some(Refusal::NotExpanding),
        Action::Salvage => refusal != Some(Refusal::NotFaulted),
        _ => true,
    }
}

/// One name: the row menu. Several: what can be asked of them together. Nothing for those who may only look.
pub(crate) fn entries_of(names: &[String]) -> Vec<Entry> {
    let (live, questions) = (Live::expect(), Questions::expect());
    let volumes = names.iter().filter_map(|name| live.volumes.row(name)).map(|row| row.get_untracked());
    let volumes: Vec<Arc<Volume>> = volumes.collect();
    match volumes.as_slice() {
        [] => Vec::new(),
        _ if !untrack(may_write) => Vec::new(),
        [volume] => entries(volume, questions),
        several => together(several, questions),
    }
}

/// Off as soon as one of them can't take part, with the name of that one.
fn together(volumes: &[Arc<Volume>], questions: Questions) -> Vec<Entry> {
    let names: Vec<String> = volumes.iter().map(|volume| volume.name.clone()).collect();
    let entry = |action: Action| {
        let refused = volumes.iter().find_map(|volume| Some((volume, refusal(action, volume)?)));
        let refusal = refused.map(|(volume, why)| format!("{}: {}", volume.name, words::refusal(why)));
        let volumes = names.clone();
        let question = match action {
            Action::Attach => Question::Attach { volumes },
            Action::Detach => Question::Detach { volumes },
            _ => Question::DeleteVolumes { volumes },
        };
        let choose = Callback::new(move |()| questions.ask(question.clone()));
        Entry { label: words::action(action).to_owned(), refusal, danger: action == Action::Delete, choose }
    };
    [Action::Attach, Action::Detach, Action::Delete].into_iter().map(entry).collect()
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
