//! What was typed and not saved. It outlives the page: whoever goes back finds it again.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aurochs_api::setting::Setting;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;

use crate::api::{self, ApiError};
use crate::live::Live;
use crate::model::setting_form::{Parts, check, join, parts};
use crate::notices::Notices;
use crate::words::{fill, tr};

static KEPT: Mutex<BTreeMap<String, Parts>> = Mutex::new(BTreeMap::new());

#[derive(Clone, Copy)]
pub(crate) struct Drafts {
    /// By the names of the settings; only those that differ from what is stored.
    pub(crate) changed: RwSignal<BTreeMap<String, Parts>>,
    /// What the manager said against the last try.
    pub(crate) refused: RwSignal<BTreeMap<String, ApiError>>,
    pub(crate) busy: RwSignal<bool>,
}

impl Drafts {
    /// Made with the page; kept when it goes.
    pub(crate) fn take() -> Self {
        let kept = KEPT.lock().map(|kept| kept.clone()).unwrap_or_default();
        let drafts =
            Self { changed: RwSignal::new(kept), refused: RwSignal::new(BTreeMap::new()), busy: RwSignal::new(false) };
        on_cleanup(move || {
            if let (Ok(mut kept), Some(changed)) = (KEPT.lock(), drafts.changed.try_get_untracked()) {
                *kept = changed;
            }
        });
        drafts
    }

    /// What stands in the fields of a setting.
    pub(crate) fn shown(self, setting: &Setting) -> Parts {
        let typed = self.changed.with(|changed| changed.get(&setting.name).cloned());
        typed.unwrap_or_else(|| parts(&setting.definition, &setting.value))
    }

    /// Takes what was typed; what is as it is stored is no change.
    pub(crate) fn put(self, setting: &Setting, typed: Parts) {
        let same = typed == parts(&setting.definition, &setting.value);
        self.refused.update(|refused| _ = refused.remove(&setting.name));
        self.changed.update(|changed| {
            if same {
                changed.remove(&setting.name);
            } else {
                changed.insert(setting.name.clone(), typed);
            }
        });
    }

    pub(crate) fn drop_all(self) {
        self.changed.set(BTreeMap::new());
        self.refused.set(BTreeMap::new());
    }

    /// How many can't be saved as they are.
    pub(crate) fn wrong(self, live: Live) -> usize {
        self.changed.with(|changed| {
            let is_wrong = |(name, typed): &(&String, &Parts)| {
                let setting = live.settings.get(name);
                setting.is_some_and(|setting| typed.values().any(|value| check(&setting.definition, value).is_err()))
            };
            changed.iter().filter(is_wrong).count()
        })
    }

    /// Sends each change; one that is refused stays with the reason, the others go on.
    pub(crate) fn save(self, live: Live, notices: Notices) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.refused.set(BTreeMap::new());
        let wanted: Vec<(String, Parts, String)> = self.changed.with_untracked(|changed| {
            let body = |(name, typed): (&String, &Parts)| {
                let setting = live.settings.row(name)?.get_untracked();
                Some((name.clone(), typed.clone(), join(&setting.definition, typed)))
            };
            changed.iter().filter_map(body).collect()
        });
        spawn_local(async move {
            let (mut saved, mut last) = (0, String::new());
            for (name, sent, value) in wanted {
                match api::put(&api::address_of("settings", &name), &json!({"value": value})).await {
                    Ok(_) => {
                        saved += 1;
                        // What was typed on meanwhile stays.
                        _ = self.changed.try_update(|changed| {
                            if changed.get(&name) == Some(&sent) {
                                changed.remove(&name);
                            }
                        });
                        last = name;
                    }
                    Err(error) => _ = self.refused.try_update(|refused| refused.insert(name, error)),
                }
            }
            _ = self.busy.try_set(false);
            match saved {
                0 => {}
                1 => notices.done(fill("{} was saved.", &[&last])),
                _ => notices.done(fill("{} settings were saved.", &[&saved])),
            }
        });
    }
}

/// A default as people read it.
pub(crate) fn told(parts: &Parts) -> String {
    let one = |(engine, value): (&String, &String)| {
        let value = if value.is_empty() { tr("empty") } else { value.as_str() };
        if engine.is_empty() { value.to_owned() } else { format!("{engine}: {value}") }
    };
    parts.iter().map(one).collect::<Vec<_>>().join(", ")
}
