//! The entries of a volume's menu, and of the menu of several selected ones.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::prelude::*;

use crate::components::menu::Entry;
use crate::dialogs;
use crate::live::Live;
use crate::model::action::{Action, refusal};
use crate::role::may_write;
use crate::words::tr;
use crate::{address, words};

/// One name: the row menu. Several: what can be asked of them together. Nothing for those who may only look.
pub(crate) fn entries_of(names: &[String]) -> Vec<Entry> {
    let live = Live::expect();
    let volumes: Vec<Arc<Volume>> =
        names.iter().filter_map(|name| live.volumes.row(name)).map(|row| row.get_untracked()).collect();
    match volumes.as_slice() {
        [] => Vec::new(),
        _ if !untrack(may_write) => Vec::new(),
        [volume] => entries(volume),
        several => several_entries(several),
    }
}

/// All actions of a volume, those that are impossible now with their reason.
fn entries(volume: &Volume) -> Vec<Entry> {
    let entry = |action: Action| {
        let refusal = refusal(action, volume);
        let reason = refusal.map(|refusal| words::refusal(refusal).to_owned());
        action.is_listed(refusal).then(|| entry(action, vec![volume.name.clone()], reason))
    };
    let mut entries: Vec<Entry> = Action::ALL.into_iter().filter_map(entry).collect();
    let backups = format!("{}?tab=backups", address::volume(&volume.name));
    let after = 1 + Action::ALL.iter().position(|action| *action == Action::BackUp).unwrap_or_default();
    let show = Entry {
        label: tr("Show backups").to_owned(),
        refusal: None,
        danger: false,
        choose: Callback::new(move |()| address::go(&backups)),
    };
    entries.insert(after.min(entries.len()), show);
    entries
}

/// Off as soon as one of them can't take part, with the name of that one.
fn several_entries(volumes: &[Arc<Volume>]) -> Vec<Entry> {
    let names: Vec<String> = volumes.iter().map(|volume| volume.name.clone()).collect();
    let entry = |action: Action| {
        let refused = volumes.iter().find_map(|volume| Some((volume, refusal(action, volume)?)));
        let is_listed = volumes.iter().any(|volume| action.is_listed(refusal(action, volume)));
        let reason = refused.map(|(volume, why)| format!("{}: {}", volume.name, words::refusal(why)));
        is_listed.then(|| entry(action, names.clone(), reason))
    };
    Action::BULK.into_iter().filter_map(entry).collect()
}

fn entry(action: Action, names: Vec<String>, refusal: Option<String>) -> Entry {
    Entry {
        label: words::action(action).to_owned(),
        refusal,
        danger: action.is_dangerous(),
        choose: Callback::new(move |()| dialogs::volume::ask(action, names.clone())),
    }
}
