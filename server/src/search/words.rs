//! What was asked for, and how well an entry has it.

use memchr::memmem::Finder;

use super::entry::{Entry, Text};

/// More words are not looked for, and longer texts not read.
const WORDS_MAXIMUM: usize = 8;
const ASKED_MAXIMUM_BYTES: usize = 256;

/// The words of a question, in lower case.
#[derive(Clone, Debug, Default)]
pub struct Words(Vec<Word>);

/// A word with what finds it quickly: a search of its own for each of a hundred thousand entries would be most of the time.
#[derive(Clone, Debug)]
struct Word {
    text: String,
    finder: Finder<'static>,
}

impl Word {
    fn new(text: &str) -> Self {
        let text = text.to_lowercase();
        let finder = Finder::new(&text).into_owned();
        Self { text, finder }
    }
}

/// How a word is met: the smaller, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    Name,
    BeginningOfName,
    /// A part of the name between dashes, dots and the like begins so.
    WordOfName,
    WordOfText,
    InName,
    InText,
}

/// The sum over all words, so that each counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u32);

impl Words {
    #[must_use]
    pub fn of(asked: &str) -> Self {
        let mut end = asked.len().min(ASKED_MAXIMUM_BYTES);
        while !asked.is_char_boundary(end) {
            end -= 1;
        }
        let words = asked[..end].split_whitespace().take(WORDS_MAXIMUM);
        Self(words.map(Word::new).collect())
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// None unless every word is there.
    pub(super) fn rank(&self, entry: &Entry) -> Option<Rank> {
        let mut fits = self.0.iter().map(|word| fit(word, entry));
        fits.try_fold(Rank(0), |Rank(sum), fit| Some(Rank(sum + fit? as u32)))
    }

    /// The first of the texts that has a word which the name has not.
    pub(super) fn reason<'a>(&self, name: &str, texts: &'a [Text]) -> Option<&'a Text> {
        let name = name.to_lowercase();
        let mut foreign = self.0.iter().map(|word| word.text.as_str()).filter(|word| !name.contains(word));
        foreign.find_map(|word| texts.iter().find(|text| text.text.to_lowercase().contains(word)))
    }
}

/// The best of all places where the word is, in one pass: those in the name come first.
fn fit(word: &Word, entry: &Entry) -> Option<Fit> {
    let (all, name_length) = (entry.all(), entry.name().len());
    let mut best = None;
    for place in word.finder.find_iter(all.as_bytes()) {
        let is_in_name = place + word.text.len() <= name_length;
        let found = match (place, is_in_name) {
            (0, _) if word.text.len() == name_length => Fit::Name,
            (0, _) => Fit::BeginningOfName,
            (_, true) if begins_word(all, place) => Fit::WordOfName,
            (_, true) => Fit::InName,
            (_, false) if begins_word(all, place) => Fit::WordOfText,
            (_, false) => Fit::InText,
        };
        best = Some(best.map_or(found, |best: Fit| best.min(found)));
        // What comes later is no better.
        if found <= Fit::WordOfText {
            break;
        }
    }
    best
}

/// Whether nothing of the same word stands before the place.
fn begins_word(text: &str, place: usize) -> bool {
    text[..place].chars().next_back().is_none_or(|letter| !letter.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::entry::Weight;

    fn entry(name: &str, texts: &[&str]) -> Entry {
        let texts: Vec<Text> = texts.iter().map(|text| Text::new("", *text)).collect();
        Entry::new(name, &texts, Weight::default())
    }

    #[test]
    fn exact_names_come_before_beginnings_words_and_parts() {
        let in_order = [
            entry("data", &[]),
            entry("data-1", &[]),
            entry("shop-data", &[]),
            entry("pvc-1", &["pod Data-0"]),
            entry("metadata", &["my metadata"]),
            entry("pvc-2", &["metadata"]),
        ];
        let words = Words::of("DATA");
        let ranks: Vec<Rank> = in_order.iter().map(|entry| words.rank(entry).unwrap()).collect();
        assert!(ranks.is_sorted() && ranks.windows(2).all(|pair| pair[0] != pair[1]), "{ranks:?}");
        assert_eq!(words.rank(&entry("other", &["date"])), None);
    }

    #[test]
    fn every_word_has_to_be_there() {
        let both = entry("pvc-1", &["web-0", "shop"]);
        assert!(Words::of(" shop  WEB ").rank(&both).is_some());
        assert!(Words::of("shop db").rank(&both).is_none());
        assert!(Words::of("  ").is_empty());
        assert!(Words::of("pvc-1\nweb").rank(&both).is_some(), "two words");
        // Whatever is asked: it is cut and does no harm.
        assert_eq!(Words::of(&"ä".repeat(500)).0[0].text.len(), ASKED_MAXIMUM_BYTES);
        assert_eq!(Words::of(&"a ".repeat(100)).0.len(), WORDS_MAXIMUM);
    }

    #[test]
    fn the_reason_is_the_text_that_the_name_has_not() {
        let texts = [Text::new("namespace", "shop"), Text::new("pod", "Web-0")];
        assert_eq!(Words::of("web").reason("pvc-1", &texts).unwrap().what, "pod");
        assert_eq!(Words::of("pvc web").reason("pvc-1", &texts).unwrap().what, "pod");
        assert_eq!(Words::of("pvc").reason("pvc-1", &texts), None);
    }
}
