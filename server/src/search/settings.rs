//! Settings, by their names and their words: the table alone says them, so their entries never change.

use std::sync::LazyLock;

use aurochs_api::search::FoundKind;

use super::entry::{Entry, Text, Weight};
use super::shelf::Best;
use super::words::Words;
use crate::settings::{self, Definition};

pub(super) fn collect(words: &Words, best: &mut Best<'_>) {
    static ENTRIES: LazyLock<Vec<(&'static Definition, Entry)>> = LazyLock::new(|| {
        let entry = |row: &Definition| Entry::new(row.name.word(), &texts(row), Weight::default());
        settings::all().iter().map(|row| (row, entry(row))).collect()
    });
    for (row, entry) in ENTRIES.iter() {
        best.offer(words, FoundKind::Setting, entry, || (row.name.word().to_owned(), String::new()));
    }
}

pub(super) fn texts(row: &Definition) -> Vec<Text> {
    vec![Text::new("", row.title), Text::new("", row.description)]
}
