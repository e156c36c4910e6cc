//! Short messages at the edge: what was done goes by itself, what failed stays until it is dismissed.

use std::sync::OnceLock;
use std::time::Duration;

use leptos::prelude::*;

use crate::api::ApiError;

const DONE_STAYS: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoticeKind {
    Done,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) id: u64,
    pub(crate) kind: NoticeKind,
    pub(crate) text: String,
    pub(crate) next_step: String,
}

#[derive(Clone, Copy)]
pub(crate) struct Notices {
    pub(crate) list: RwSignal<Vec<Notice>>,
    next_id: StoredValue<u64>,
}

/// Those of the application: what handles a click knows no context.
static NOTICES: OnceLock<Notices> = OnceLock::new();

impl Notices {
    pub(crate) fn provide() {
        let notices = Self { list: RwSignal::new(Vec::new()), next_id: StoredValue::new(0) };
        // The application is mounted once.
        _ = NOTICES.set(notices);
        provide_context(notices);
    }

    pub(crate) fn expect() -> Self {
        NOTICES.get().copied().unwrap_or_else(expect_context)
    }

    pub(crate) fn done(self, text: impl Into<String>) {
        let id = self.push(NoticeKind::Done, text.into(), String::new());
        set_timeout(move || self.dismiss(id), DONE_STAYS);
    }

    pub(crate) fn failed(self, error: ApiError) {
        self.push(NoticeKind::Failed, error.message, error.next_step);
    }

    pub(crate) fn dismiss(self, id: u64) {
        // The page may have been left in the meantime.
        _ = self.list.try_update(|list| list.retain(|notice| notice.id != id));
    }

    fn push(self, kind: NoticeKind, text: String, next_step: String) -> u64 {
        let id = self.next_id.get_value();
        self.next_id.set_value(id + 1);
        self.list.update(|list| list.push(Notice { id, kind, text, next_step }));
        id
    }
}
