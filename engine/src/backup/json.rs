//! JSON as Go's `encoding/json` writes it: compact, `<`, `>` and `&` escaped inside strings. Records of a backup store
//! end without a newline, and write their numbers as strings.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::BackupError;

/// The text of a record.
pub(super) fn encode(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, BackupError> {
    let mut text =
        serde_json::to_string(value).map_err(|error| BackupError::Internal { what, why: error.to_string() })?;
    // These characters occur only inside strings, so the escapes can be put in afterwards.
    for (character, escape) in
        [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
    {
        if text.contains(character) {
            text = text.replace(character, escape);
        }
    }
    Ok(text.into_bytes())
}

/// The first JSON value of a file; what follows it does not count, as for Longhorn.
pub(super) fn decode<'file, T: Deserialize<'file>>(path: &str, text: &'file [u8]) -> Result<T, BackupError> {
    let damaged = |why: String| BackupError::Damaged { path: path.to_owned(), why };
    match serde_json::Deserializer::from_slice(text).into_iter().next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(damaged(format!("it is no record: {error}"))),
        None => Err(damaged("it is empty".to_owned())),
    }
}

/// `null` is the empty value.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Numbers that are written as strings.
pub(super) mod text_number {
    use super::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
        Nothing(()),
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(number),
            Written::Text(text) if text.is_empty() => Ok(0),
            Written::Text(text) => {
                text.parse().map_err(|_| serde::de::Error::custom(format!("{text:?} is no number of bytes or blocks")))
            }
            Written::Nothing(()) => Ok(0),
        }
    }
}

/// Strings whose content is a JSON string: `"\"lz4\""`. Longhorn refuses a file that has one as it should be.
pub(super) mod twice_encoded {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(value: &str, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = serde_json::to_string(value).map_err(serde::ser::Error::custom)?;
        inner.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        Ok(serde_json::from_str(&text).unwrap_or(text))
    }
}
