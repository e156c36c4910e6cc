//! Texts of the manager in the language of the user. The API speaks English alone, so that scripts and Longhorn's
//! clients read one language; the dashboard finds the sentence in its words and puts the names and numbers in again.
//!
//! A key of the words with places (`Volume {} is healthy.`) is a pattern. The one with the most characters of its own
//! comes first; what stands in its places is translated too where it is a sentence itself. What no pattern fits stays
//! English.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::OnceLock;

use super::tr::{chinese, filled};

/// How many sentences and parts of sentences are looked up for one text: a long foreign one must not take a moment.
const LOOKS: usize = 100;
/// A pattern with less of its own (`{} on {}`) would fit many a sentence that it does not mean: there have to be names in
/// its places, or what is known.
const LITTLE: usize = 8;
/// What begins with something foreign must have more of its own: else `{} is missing` would tear English sentences up.
const MUCH: usize = 20;

static TOLD: OnceLock<Told<'static>> = OnceLock::new();

/// What the manager said, in the language of the user.
pub(crate) fn told(text: &str) -> String {
    let known = chinese().and_then(|words| TOLD.get_or_init(|| Told::of(words)).known(text, &mut { LOOKS }));
    known.unwrap_or_else(|| text.to_owned())
}

/// The words, and those with places in a form that is quickly compared.
struct Told<'a> {
    words: &'a BTreeMap<String, String>,
    patterns: Vec<Pattern<'a>>,
}

struct Pattern<'a> {
    /// What stands before the first place, and what behind it.
    before: &'a str,
    behind: &'a str,
    chinese: &'a str,
    /// How many bytes are its own, without blanks and places.
    weight: usize,
}

impl<'a> Told<'a> {
    fn of(words: &'a BTreeMap<String, String>) -> Self {
        let mut patterns: Vec<Pattern<'_>> = Vec::with_capacity(words.len());
        for (english, chinese) in words {
            if let Some((before, behind)) = english.split_once("{}") {
                let weight = english.bytes().filter(|byte| !b" {}".contains(byte)).count();
                let at = patterns.partition_point(|other| other.weight >= weight);
                patterns.insert(at, Pattern { before, behind, chinese, weight });
            }
        }
        Self { words, patterns }
    }

    /// None for what there are no words for.
    fn known(&self, text: &str, looks: &mut usize) -> Option<String> {
        if let Some(chinese) = self.words.get(text) {
            return Some(chinese.clone());
        }
        // A single word is a name and no sentence.
        if !text.contains(' ') {
            return None;
        }
        self.sentences(text, looks).or_else(|| self.pattern(text, true, looks))
    }

    /// Each sentence by itself; what is not known stays as it is beside the others.
    fn sentences(&self, text: &str, looks: &mut usize) -> Option<String> {
        let (mut said, mut any, mut rest) = (String::new(), false, text);
        while !rest.is_empty() && *looks > 0 {
            // As many of them as are known together.
            let mut part = rest;
            let known = loop {
                let known = self.words.get(part).cloned().or_else(|| self.pattern(part, false, looks));
                match (known, part.rfind(". ")) {
                    (None, Some(end)) => part = &part[..=end],
                    (known, _) => break known,
                }
            };
            rest = rest[part.len()..].trim_start();
            match known {
                Some(known) => {
                    any = true;
                    said.push_str(&known);
                }
                None => {
                    said.push_str(part);
                    said.push(' ');
                }
            }
        }
        said.push_str(rest);
        any.then(|| said.trim_end().to_owned())
    }

    /// By the first pattern that fits; `wide`: also by one whose places take in the end of a sentence.
    fn pattern(&self, text: &str, wide: bool, looks: &mut usize) -> Option<String> {
        *looks = looks.checked_sub(1)?;
        self.patterns.iter().find_map(|pattern| {
            let parts = pattern.parts(text)?;
            if !wide && parts.iter().any(|part| part.contains(". ")) {
                return None;
            }
            self.said(pattern, &parts, looks)
        })
    }

    /// The Chinese of a pattern that fits; none where the parts show that something else is meant.
    fn said(&self, pattern: &Pattern<'_>, parts: &[&str], looks: &mut usize) -> Option<String> {
        let mut own = pattern.weight;
        let mut begins = pattern.before.is_empty();
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            let is_sentence = part.contains(' ');
            // A name is kept also when the dashboard has a word for it: a volume may be called `Ready`.
            let known = if is_sentence { self.known(part, looks) } else { None };
            let least = if known.is_some() {
                own += 1;
                0
            } else if is_sentence && !part.as_bytes()[0].is_ascii_digit() {
                if begins { MUCH } else { LITTLE }
            } else if begins && pattern.is_phrase() && is_plain(part) {
                // An article or a noun: names that people give have a number or a hyphen more often than not.
                LITTLE
            } else {
                0
            };
            if pattern.weight < least {
                return None;
            }
            begins = false;
            values.push(known.unwrap_or_else(|| (*part).to_owned()));
        }
        let places: Vec<&dyn Display> = values.iter().map(|value| value as &dyn Display).collect();
        (own > 0).then(|| filled(pattern.chinese, &places))
    }
}

impl Pattern<'_> {
    /// What stands in the places, each as short as can be.
    fn parts<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut rest = text.strip_prefix(self.before)?;
        let mut parts = Vec::new();
        let mut behind = self.behind;
        while let Some((piece, next)) = behind.split_once("{}") {
            let at = rest.find(piece)?;
            parts.push(&rest[..at]);
            rest = &rest[at + piece.len()..];
            behind = next;
        }
        parts.push(rest.strip_suffix(behind)?);
        // Reasons one after the other are taken apart first: no sentence begins with two of them, and no short one has
        // them anywhere.
        let short = self.weight < LITTLE && self.is_phrase();
        let looked_at = if short { parts.len() } else { 1 };
        let tears = self.before.is_empty() && parts[..looked_at].iter().any(|part| part.contains("; "));
        (!tears).then_some(parts)
    }

    /// Words with a place among them, and no sentence: `{} on {}`, `{} volumes`.
    fn is_phrase(&self) -> bool {
        let has_letters = self.behind.bytes().any(|byte| byte.is_ascii_alphabetic());
        has_letters && !self.behind.contains(':')
    }
}

/// A word of letters alone.
fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
