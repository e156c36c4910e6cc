//! Names of things and what a good name is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name of a volume or recurring job (Longhorn's limit; the name ends up in labels and host names).
pub const NAME_LENGTH_MAXIMUM: usize = 40;

/// The name that snapshot trees give to the writable top layer.
pub const VOLUME_HEAD: &str = "volume-head";

/// Why a text is no good name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the {what} name is empty; give lower-case letters, digits, '-' or '.', such as mysql-data")]
    Empty { what: &'static str },
    #[error("the {what} name {name:?} has {length} characters; at most {maximum} are allowed")]
    TooLong { what: &'static str, name: String, length: usize, maximum: usize },
    #[error("the {what} name {name:?} has the character {character:?}; use {allowed}")]
    Character { what: &'static str, name: String, character: char, allowed: &'static str },
    #[error("the {what} name {name:?} must start and end with a lower-case letter or a digit")]
    Edge { what: &'static str, name: String },
}

/// Name of a volume: what Longhorn's webhook lets through (DNS-1123 label, at most 40 characters).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct VolumeName(String);

impl FromStr for VolumeName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        const WHAT: &str = "volume";
        if name.is_empty() {
            return Err(NameError::Empty { what: WHAT });
        }
        if let Some(character) = name.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')) {
            let allowed = "lower-case letters, digits and '-'";
            return Err(NameError::Character { what: WHAT, name: name.to_owned(), character, allowed });
        }
        if name.len() > NAME_LENGTH_MAXIMUM {
            let length = name.len();
            return Err(NameError::TooLong { what: WHAT, name: name.to_owned(), length, maximum: NAME_LENGTH_MAXIMUM });
        }
        if name.starts_with('-') || name.ends_with('-') {
            return Err(NameError::Edge { what: WHAT, name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }
}

impl VolumeName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for VolumeName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Checks a snapshot name: it becomes part of a file name, so no separators and no surprises.
/// Longhorn takes any string; names that it makes (UUIDs, `expand-<size>`, `backup…`) all pass.
pub fn check_snapshot_name(name: &str) -> Result<(), NameError> {
    const WHAT: &str = "snapshot";
    // 255 bytes is the longest file name on Linux; `volume-snap-` and `.img.checksum..tmp` come around it.
    const MAXIMUM: usize = 200;
    if name.is_empty() {
        return Err(NameError::Empty { what: WHAT });
    }
    if name.len() > MAXIMUM {
        return Err(NameError::TooLong { what: WHAT, name: name.to_owned(), length: name.len(), maximum: MAXIMUM });
    }
    if let Some(character) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        let allowed = "letters, digits, '-', '_' and '.'";
        return Err(NameError::Character { what: WHAT, name: name.to_owned(), character, allowed });
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || name == VOLUME_HEAD {
        return Err(NameError::Edge { what: WHAT, name: name.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_names() {
        let longest = "a".repeat(NAME_LENGTH_MAXIMUM);
        for good in ["a", "mysql-data", "pvc-6f1c2a54-1e0b-4c8e-9b0f-0a4de6f0a001", "0", &longest] {
            assert!(good.parse::<VolumeName>().is_ok(), "{good}");
        }
        let too_long = "a".repeat(NAME_LENGTH_MAXIMUM + 1);
        for bad in ["", "Ab", "a_b", "a/b", "../x", "a b", "-a", "a-", "ä", "a.b", &too_long] {
            assert!(bad.parse::<VolumeName>().is_err(), "{bad}");
        }
        let message = "My Volume".parse::<VolumeName>().unwrap_err().to_string();
        assert!(message.contains("'M'") && message.contains("lower-case"), "{message}");
    }

    #[test]
    fn snapshot_names() {
        for good in ["s1", "before-upgrade", "expand-14680064", "2e8dadc0-0874-4545-9bda-1b29d042b039", "a.b_c"] {
            assert!(check_snapshot_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "..", ".a", "-a", "a\0", "volume-head", &"x".repeat(201)] {
            assert!(check_snapshot_name(bad).is_err(), "{bad}");
        }
    }
}
