//! The texts of a thing that can be found, in lower case and in one piece, so that looking through a hundred thousand of
//! them is one pass over memory.

/// Between texts; people don't type it.
const BETWEEN: char = '\n';

/// One text of a thing besides its name: what it is, and how it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// `pod`, `label`; empty where the text speaks for itself.
    pub(super) what: &'static str,
    pub(super) text: String,
}

impl Text {
    pub(super) fn new(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, text: text.into() }
    }
}

/// How eagerly a thing is shown among others that match as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    /// Something is wrong with it: the more, the earlier.
    pub(super) attention: u8,
    /// Seconds since 1970; the later, the earlier.
    pub(super) since: i64,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name, then the other texts.
    all: Box<str>,
    name_length: u32,
    pub(super) weight: Weight,
}

/// No text of a thing is longer in the index: notes of a megabyte are nothing to search in.
const TEXT_MAXIMUM_BYTES: usize = 1024;
const ALL_MAXIMUM_BYTES: usize = 16 * 1024;

impl Entry {
    pub(super) fn new(name: &str, texts: &[Text], weight: Weight) -> Self {
        let mut all = name.to_lowercase();
        let name_length = u32::try_from(all.len()).unwrap_or(u32::MAX);
        for text in texts.iter().filter(|text| !text.text.is_empty()) {
            if all.len() > ALL_MAXIMUM_BYTES {
                break;
            }
            all.push(BETWEEN);
            all.push_str(&cut(&text.text).to_lowercase());
        }
        Self { all: all.into(), name_length, weight }
    }

    pub(super) fn name(&self) -> &str {
        self.all.get(..self.name_length as usize).unwrap_or(&self.all)
    }

    /// Name and texts.
    pub(super) const fn all(&self) -> &str {
        &self.all
    }
}

/// At most the allowed bytes, whole characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_MAXIMUM_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
