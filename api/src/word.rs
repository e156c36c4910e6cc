//! A choice as a client wrote it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::de::value::{self, StrDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::describe::{Described, Wire};

/// One of the words of `T`, not checked yet: empty stands for "not said", and the message of a wrong one can name the
/// field that it was in. It is described with the words of `T`.
pub struct Word<T> {
    text: String,
    of: PhantomData<fn() -> T>,
}

/// A word that is none of the right ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of {}", options.join(", "))]
pub struct UnknownWord {
    pub word: String,
    /// Those that can be given; an empty one among them is left out.
    pub options: Vec<&'static str>,
}

impl<T> Word<T> {
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl<T: Described + DeserializeOwned> Word<T> {
    /// None when nothing was said.
    pub fn read(&self) -> Result<Option<T>, UnknownWord> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let read = T::deserialize(StrDeserializer::<value::Error>::new(&self.text));
        read.map(Some).map_err(|_| UnknownWord {
            word: self.text.clone(),
            options: T::OPTIONS.iter().copied().filter(|option| !option.is_empty()).collect(),
        })
    }
}

// === as plain text everywhere else ===

impl<T> From<String> for Word<T> {
    fn from(text: String) -> Self {
        Self { text, of: PhantomData }
    }
}

impl<T> From<&str> for Word<T> {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl<T> Default for Word<T> {
    fn default() -> Self {
        String::new().into()
    }
}

impl<T> Clone for Word<T> {
    fn clone(&self) -> Self {
        self.text.clone().into()
    }
}

impl<T> PartialEq for Word<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> fmt::Debug for Word<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

impl<T> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl<T: Described> Described for Word<T> {
    const WIRE: Wire = Wire::Text;
    const OPTIONS: &'static [&'static str] = T::OPTIONS;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{CloneMode, DataLocality};

    #[test]
    fn what_clients_say() {
        assert_eq!(Word::<DataLocality>::default().read(), Ok(None));
        assert_eq!(Word::from("best-effort").read(), Ok(Some(DataLocality::BestEffort)));
        let wrong = Word::<DataLocality>::from("near").read().unwrap_err();
        assert_eq!(wrong.to_string(), "\"near\" is none of disabled, best-effort, strict-local");
        assert_eq!(Word::<CloneMode>::from("x").read().unwrap_err().options, ["full-copy", "linked-clone"]);
    }
}
