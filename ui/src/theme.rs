//! Dark, light, or as the system has it. The choice is kept in the browser; the page shell applies it before the first paint.

use leptos::prelude::*;

const KEY: &str = "aurochs-theme";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    Auto,
    Light,
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(crate) fn stored() -> Self {
        let stored = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
        Self::ALL.into_iter().find(|theme| stored.as_deref() == Some(theme.key())).unwrap_or(Self::Auto)
    }

    pub(crate) fn keep(self) {
        if let Some(storage) = storage() {
            // Storage may be full or forbidden; the choice then lasts until the page is left.
            _ = storage.set_item(KEY, self.key());
        }
        self.apply();
    }

    pub(crate) fn apply(self) {
        let Some(root) = document().document_element() else { return };
        // Both can only fail for a malformed attribute name.
        _ = match self {
            Self::Auto => root.remove_attribute("data-theme"),
            Self::Light | Self::Dark => root.set_attribute("data-theme", self.key()),
        };
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}
