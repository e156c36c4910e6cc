//! The language of what the manager itself writes as a page: the first view and the login. The words are the dashboard's.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::LazyLock;

use aurochs_api::volume::phase::Group;
use axum::http::{HeaderMap, header};

use super::assets;

/// The language that the browser asks for. A choice made by hand is the dashboard's, and not known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Words {
    #[default]
    English,
    Chinese,
}

/// English to Chinese, as the dashboard has it.
static CHINESE: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let file = assets::manifest().plain("words-zh.json").unwrap_or_default();
    serde_json::from_slice(file).unwrap_or_default()
});

impl Words {
    pub(crate) fn asked_for(headers: &HeaderMap) -> Self {
        let languages = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = languages.split(',').next().unwrap_or_default().trim().to_ascii_lowercase();
        if first.starts_with("zh") { Self::Chinese } else { Self::English }
    }

    /// As documents name it.
    pub(crate) const fn language(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
        }
    }

    pub(crate) fn of(self, english: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Chinese => CHINESE.get(english).map_or(english, String::as_str),
        }
    }

    pub(crate) fn group(self, group: impl Borrow<Group>) -> &'static str {
        self.of(match group.borrow() {
            Group::Healthy => "Healthy",
            Group::Degraded => "Degraded",
            Group::InProgress => "In progress",
            Group::Faulted => "Faulted",
            Group::Detached => "Detached",
        })
    }

    /// A pattern with one place.
    pub(crate) fn filled(self, english: &'static str, value: impl Display) -> String {
        self.of(english).replace("{}", &value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::size::ByteSize;

    use super::*;

    #[test]
    fn the_browser_says_the_language() {
        let asked = |language: &str| {
            Words::asked_for(&[(header::ACCEPT_LANGUAGE, language.parse().unwrap())].into_iter().collect())
        };
        assert_eq!(
            (asked("zh-CN,zh;q=0.9,en;q=0.8"), asked("de,zh;q=0.5"), asked("")),
            (Words::Chinese, Words::English, Words::English)
        );
        assert_eq!(Words::English.filled("schedulable of {}", ByteSize(1 << 30)), "schedulable of 1 GiB");
    }
}
