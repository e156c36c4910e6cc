//! English or Chinese, chosen by hand or as the browser has it. The choice is kept in the browser.

use std::collections::BTreeMap;

use gloo_net::http::Request;
use leptos::prelude::*;

use crate::words;

/// The page shell reads it, too, to say the language before the first view.
const KEY: &str = "aurochs-language";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// As documents name it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// What people call it who speak it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    /// The one that was chosen, else the browser's first.
    pub(crate) fn chosen() -> Self {
        let stored = window().local_storage().ok().flatten().and_then(|storage| storage.get_item(KEY).ok().flatten());
        let wanted = stored.or_else(|| window().navigator().language()).unwrap_or_default();
        Self::of(&wanted)
    }

    fn of(tag: &str) -> Self {
        if tag.to_lowercase().starts_with("zh") { Self::Chinese } else { Self::English }
    }

    /// Keeps the choice and shows everything in it.
    pub(crate) fn choose(self) {
        let storage = window().local_storage().ok().flatten();
        let kept = storage.is_some_and(|storage| storage.set_item(KEY, self.key()).is_ok());
        if kept {
            // A failed reload leaves the page in the language that it has.
            _ = window().location().reload();
        }
    }

    /// Gets the words ready, before the first view. English needs none; where the others can't be had it is English.
    pub(crate) async fn prepare(self) {
        if self == Self::Chinese
            && let Some(words) = fetch_words().await
        {
            words::speak_chinese(words);
        }
        let spoken = if words::is_chinese() { "zh-Hans" } else { "en" };
        if let Some(root) = document().document_element() {
            // It can only fail for a malformed attribute name.
            _ = root.set_attribute("lang", spoken);
        }
    }
}

/// The page shell knows the file's address.
async fn fetch_words() -> Option<BTreeMap<String, String>> {
    let link = document().query_selector("meta[name=aurochs-words]").ok().flatten()?;
    let answer = Request::get(&link.get_attribute("content")?).send().await.ok()?;
    if !answer.ok() {
        return None;
    }
    answer.json().await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_browsers_tag() {
        for (tag, language) in [
            ("zh-CN", Language::Chinese),
            ("ZH", Language::Chinese),
            ("de", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of(tag), language);
        }
    }
}
