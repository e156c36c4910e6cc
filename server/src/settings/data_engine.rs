//! Values that differ by data engine: a JSON object of texts, `{"v1":"3","v2":"3"}`.

use std::collections::BTreeMap;

use serde_json::Value;

/// Which data engine a volume has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataEngine {
    V1,
    V2,
}

impl DataEngine {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// Values by engine. A number or a truth value counts as its text: clients send both.
pub(super) type ByEngine = BTreeMap<String, String>;

/// What was written.
pub(super) enum Written {
    /// One value for every engine.
    Plain(String),
    ByEngine(ByEngine),
    /// It begins like an object and is none.
    Broken,
}

pub(super) fn read(value: &str) -> Written {
    if !value.starts_with('{') {
        return Written::Plain(value.to_owned());
    }
    let Ok(Value::Object(object)) = serde_json::from_str(value) else { return Written::Broken };
    let one = |value: Value| match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    object
        .into_iter()
        .map(|(engine, value)| Some((engine, one(value)?)))
        .collect::<Option<_>>()
        .map_or(Written::Broken, Written::ByEngine)
}

/// The parts of a default, or of what is stored.
pub(super) fn parts(value: &str) -> ByEngine {
    match read(value) {
        Written::ByEngine(parts) => parts,
        Written::Plain(_) | Written::Broken => ByEngine::new(),
    }
}

/// As it is stored: the engines in order, without spaces.
pub(super) fn write(parts: &ByEngine) -> String {
    serde_json::to_string(parts).unwrap_or_default()
}
