//! `volume.meta` and `<image>.meta`: Longhorn's JSON, byte for byte.
//!
//! Written as Go's `encoding/json` does: compact, keys in the order of the fields below, `<`, `>` and `&` escaped,
//! one newline at the end. Read as Go does: the first JSON value counts, keys match in any case, missing keys and
//! `null` give the zero value, unknown keys are ignored.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::error::ReplicaError;

/// Longhorn's own sector size, in bytes; not the granularity of tracking.
const SECTOR_SIZE: u64 = 512;

/// State of the whole replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct VolumeMeta {
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) head: String,
    pub(crate) dirty: bool,
    pub(crate) rebuilding: bool,
    pub(crate) error: String,
    /// The head's parent, empty for none.
    pub(crate) parent: String,
    pub(crate) sector_size: u64,
    pub(crate) backing_file_path: String,
    pub(crate) encrypted: bool,
    /// Some of the content is still in a backup: written as `Rebuilding`, so that only who knows `aurochs.remote` uses it.
    #[serde(skip)]
    pub(crate) remote: bool,
}

/// One layer. Its name is the file's name: the `Name` inside is whatever the layer was called when it was written,
/// which for most snapshots is the head they once were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LayerMeta {
    pub(crate) name: String,
    /// File name of the layer below, empty for the root.
    pub(crate) parent: String,
    pub(crate) removed: bool,
    pub(crate) user_created: bool,
    /// RFC 3339, UTC.
    pub(crate) created: String,
    pub(crate) labels: Option<BTreeMap<String, String>>,
}

impl VolumeMeta {
    pub(crate) fn new(size: u64, head: &str) -> Self {
        Self {
            size,
            head: head.to_owned(),
            dirty: false,
            rebuilding: false,
            error: String::new(),
            parent: String::new(),
            sector_size: SECTOR_SIZE,
            backing_file_path: String::new(),
            encrypted: false,
            remote: false,
        }
    }

    pub(crate) fn decode(file: &str, text: &[u8]) -> Result<Self, ReplicaError> {
        let mut fields = Fields::parse(file, text)?;
        Ok(Self {
            size: fields.number("Size")?,
            head: fields.text("Head")?,
            dirty: fields.flag("Dirty")?,
            rebuilding: fields.flag("Rebuilding")?,
            error: fields.text("Error")?,
            parent: fields.text("Parent")?,
            sector_size: fields.number("SectorSize")?,
            backing_file_path: fields.text("BackingFilePath")?,
            encrypted: fields.flag("Encrypted")?,
            remote: false,
        })
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, ReplicaError> {
        let rebuilding = self.rebuilding || self.remote;
        encode("volume.meta", &Self { rebuilding, ..self.clone() })
    }
}

impl LayerMeta {
    /// Metadata of a fresh head.
    pub(crate) fn head(name: &str, parent: &str, created: &str) -> Self {
        Self {
            name: name.to_owned(),
            parent: parent.to_owned(),
            removed: false,
            user_created: false,
            created: created.to_owned(),
            labels: None,
        }
    }

    pub(crate) fn decode(file: &str, text: &[u8]) -> Result<Self, ReplicaError> {
        let mut fields = Fields::parse(file, text)?;
        Ok(Self {
            name: fields.text("Name")?,
            parent: fields.text("Parent")?,
            removed: fields.flag("Removed")?,
            user_created: fields.flag("UserCreated")?,
            created: fields.text("Created")?,
            labels: fields.labels("Labels")?,
        })
    }

    pub(crate) fn encode(&self, file: &str) -> Result<Vec<u8>, ReplicaError> {
        encode(file, self)
    }
}

/// Labels as Longhorn writes them: none at all is `null`.
pub(crate) fn labels_or_null(labels: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!labels.is_empty()).then(|| labels.clone())
}

/// As Go's `encoding/json` writes it, with a newline.
pub(super) fn encode(file: &str, value: &impl Serialize) -> Result<Vec<u8>, ReplicaError> {
    let mut text = serde_json::to_string(value).map_err(|error| ReplicaError::corrupt(file, error.to_string()))?;
    // These characters occur only inside strings, so the escapes can be put in afterwards.
    for (character, escape) in
        [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
    {
        if text.contains(character) {
            text = text.replace(character, escape);
        }
    }
    text.push('\n');
    Ok(text.into_bytes())
}

/// The keys of one JSON object, taken out by name.
struct Fields<'file> {
    file: &'file str,
    object: Map<String, Value>,
}

impl<'file> Fields<'file> {
    fn parse(file: &'file str, text: &[u8]) -> Result<Self, ReplicaError> {
        let first = serde_json::Deserializer::from_slice(text).into_iter::<Value>().next();
        match first {
            Some(Ok(Value::Object(object))) => Ok(Self { file, object }),
            Some(Ok(_)) => Err(ReplicaError::corrupt(file, "its JSON is not an object")),
            Some(Err(error)) => Err(ReplicaError::corrupt(file, format!("its JSON does not parse: {error}"))),
            None => Err(ReplicaError::corrupt(file, "it is empty")),
        }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        let found = if self.object.contains_key(key) {
            key.to_owned()
        } else {
            self.object.keys().find(|candidate| candidate.eq_ignore_ascii_case(key))?.clone()
        };
        self.object.remove(&found).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &str, wanted: &str, found: &Value) -> ReplicaError {
        ReplicaError::corrupt(self.file, format!("its {key} should be {wanted} and is {found}"))
    }

    fn text(&mut self, key: &str) -> Result<String, ReplicaError> {
        match self.take(key) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.wrong(key, "a string", &other)),
        }
    }

    fn flag(&mut self, key: &str) -> Result<bool, ReplicaError> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(key, "true or false", &other)),
        }
    }

    fn number(&mut self, key: &str) -> Result<u64, ReplicaError> {
        match self.take(key) {
            None => Ok(0),
            Some(other) => other.as_u64().ok_or_else(|| self.wrong(key, "a whole number of bytes", &other)),
        }
    }

    fn labels(&mut self, key: &str) -> Result<Option<BTreeMap<String, String>>, ReplicaError> {
        let Some(found) = self.take(key) else {
            return Ok(None);
        };
        let Value::Object(pairs) = &found else {
            return Err(self.wrong(key, "an object of strings", &found));
        };
        let mut labels = BTreeMap::new();
        for (label, value) in pairs {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => return Err(self.wrong(key, "an object of strings", other)),
            };
            labels.insert(label.clone(), text);
        }
        Ok(Some(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: &str = "{\"Size\":16777216,\"Head\":\"volume-head-003.img\",\"Dirty\":false,\"Rebuilding\":false,\"Error\":\"\",\"Parent\":\"volume-snap-a.img\",\"SectorSize\":512,\"BackingFilePath\":\"\",\"Encrypted\":false}\n";
    const LAYER: &str = "{\"Name\":\"volume-head-000.img\",\"Parent\":\"\",\"Removed\":false,\"UserCreated\":true,\"Created\":\"2026-11-21T02:06:49Z\",\"Labels\":{\"RecurringJob\":\"nightly\",\"owner\":\"golden\"}}\n";

    #[test]
    fn golden_texts_survive_a_round_trip() {
        let volume = VolumeMeta::decode("volume.meta", VOLUME.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(volume.encode().unwrap()).unwrap(), VOLUME);
        let layer = LayerMeta::decode("x", LAYER.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(layer.encode("x").unwrap()).unwrap(), LAYER);
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        let mut layer = LayerMeta::head("a", "", "t");
        layer.labels = Some(BTreeMap::from([("k".to_owned(), "<b>&\u{2028}\"\\\n\u{1}ä".to_owned())]));
        let text = String::from_utf8(layer.encode("x").unwrap()).unwrap();
        assert!(text.ends_with("{\"k\":\"\\u003cb\\u003e\\u0026\\u2028\\\"\\\\\\n\\u0001ä\"}}\n"), "{text}");
        assert_eq!(LayerMeta::decode("x", text.as_bytes()).unwrap(), layer);
    }

    #[test]
    fn readers_are_as_lenient_as_gos() {
        let minimal = LayerMeta::decode("x", b"{\"Parent\":\"\"}\n").unwrap();
        assert_eq!(minimal, LayerMeta::head("", "", ""));
        let odd = LayerMeta::decode("x", b" {\"pARENT\":\"p\",\"New\":[1],\"Labels\":null,\"removed\":true} trailing")
            .unwrap();
        assert_eq!((odd.parent.as_str(), odd.removed, odd.labels), ("p", true, None));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in ["", "{", "[]", "{\"Size\":\"1\"}", "{\"Size\":-1}", "{\"Dirty\":1}", "{\"Head\":7}"] {
            let outcome = VolumeMeta::decode("volume.meta", text.as_bytes());
            assert!(matches!(outcome, Err(ReplicaError::Corrupt { .. })), "{text}");
        }
        assert!(LayerMeta::decode("x", b"{\"Labels\":{\"a\":1}}").is_err());
    }
}
