//! The language. English is the key: a text that has no Chinese yet is shown in English, and never as a code.
//!
//! The Chinese words (`assets/words/zh/*.json`, packed into one file) are fetched before the first view, and only when
//! Chinese is chosen. Choosing another language loads the page again: texts are no signals.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::OnceLock;

static CHINESE: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// Takes the words; from then on texts are Chinese. Only the first call counts.
pub(crate) fn speak_chinese(words: BTreeMap<String, String>) {
    // A second dictionary would change texts under those that are shown.
    _ = CHINESE.set(words);
}

/// Whether texts are Chinese: words that are put together of parts have another order then.
pub(crate) fn is_chinese() -> bool {
    CHINESE.get().is_some()
}

/// The words, where texts are Chinese.
pub(super) fn chinese() -> Option<&'static BTreeMap<String, String>> {
    CHINESE.get()
}

/// The text in the language of the user.
pub(crate) fn tr(english: &'static str) -> &'static str {
    CHINESE.get().and_then(|words| words.get(english)).map_or(english, String::as_str)
}

/// Marks a text that is translated where it is shown: in tables of data, where no [`tr`] can stand.
pub(crate) const fn label(english: &'static str) -> &'static str {
    english
}

/// The translated pattern with its places filled: `{}` in order, `{0}` and `{1}` by number.
pub(crate) fn fill(pattern: &'static str, values: &[&dyn Display]) -> String {
    filled(tr(pattern), values)
}

/// A pattern in any language with its places filled.
pub(super) fn filled(pattern: &str, values: &[&dyn Display]) -> String {
    let mut text = String::with_capacity(pattern.len() + 24);
    let mut rest = pattern;
    let mut next = 0;
    while let Some((before, tail)) = rest.split_once('{') {
        text.push_str(before);
        let Some((place, after)) = tail.split_once('}') else {
            text.push('{');
            text.push_str(tail);
            return text;
        };
        let index = place.parse().unwrap_or(next);
        next += 1;
        if let Some(value) = values.get(index) {
            // Writing to a string does not fail.
            _ = write!(text, "{value}");
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in_order_or_by_number() {
        assert_eq!(filled("{} of {}", &[&2, &3]), "2 of 3");
        assert_eq!(filled("共 {1} 个，第 {0} 个", &[&2, &3]), "共 3 个，第 2 个");
        assert_eq!(filled("{} and {}", &[&"a"]), "a and ", "a value too few is no panic");
        assert_eq!(filled("open {", &[]), "open {");
    }
}
