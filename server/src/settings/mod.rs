//! Settings: a table of what there is, typed reading with the defaults beneath, checking of what a user writes.
//!
//! Values live in Setting resources. [`Settings`] holds a copy in memory that the setting controller keeps fresh, so
//! that a reader never waits for the store.

mod registry;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use aurochs_api::setting::SettingDefinition;

pub use registry::{DEFINITIONS, Definition, Name, ValueType};

/// Why a value is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    #[error("there is no setting named {0:?}; list /v1/settings for the names")]
    Unknown(String),
    #[error("the setting {0} can only be read: the system itself writes it")]
    ReadOnly(&'static str),
    #[error("the setting {name} can't be empty; give {expected}")]
    Empty { name: &'static str, expected: String },
    #[error("{value:?} is no value for the setting {name}; give {expected}")]
    Value { name: &'static str, value: String, expected: String },
}

/// Checks what a user wrote and brings it into the form that is stored: trimmed, and for settings that differ by
/// data engine a JSON object (`{"v1":"3","v2":"3"}`; a plain value stands for every engine).
pub fn check(name: &str, value: &str) -> Result<String, SettingError> {
    let definition = definition(name).ok_or_else(|| SettingError::Unknown(name.to_owned()))?;
    if definition.read_only {
        return Err(SettingError::ReadOnly(definition.name.word()));
    }
    let value = value.trim();
    if !definition.per_engine {
        definition.check_one(value)?;
        return Ok(value.to_owned());
    }
    let defaults = engine_values(definition.default).unwrap_or_default();
    let given = engine_values(value);
    let mut stored = BTreeMap::new();
    for (engine, default) in defaults {
        let one = match &given {
            Some(given) => given.get(&engine).cloned().unwrap_or(default),
            None => value.to_owned(),
        };
        definition.check_one(one.trim())?;
        stored.insert(engine, one.trim().to_owned());
    }
    Ok(serde_json::to_string(&stored).unwrap_or_default())
}

#[must_use]
pub fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name.word() == name)
}

/// The parts of `{"v1":"3","v2":"3"}`, `None` for a plain value.
fn engine_values(value: &str) -> Option<BTreeMap<String, String>> {
    serde_json::from_str(value).ok()
}

impl Definition {
    fn check_one(&self, value: &str) -> Result<(), SettingError> {
        let name = self.name.word();
        if value.is_empty() {
            return if self.required { Err(SettingError::Empty { name, expected: self.expected() }) } else { Ok(()) };
        }
        let good = match self.kind {
            ValueType::Text => self.options.is_empty() || self.options.contains(&value),
            ValueType::Bool => matches!(value, "true" | "false"),
            ValueType::Int { minimum, maximum } => {
                value.parse::<i64>().is_ok_and(|number| (minimum..=maximum).contains(&number))
            }
        };
        if good {
            Ok(())
        } else {
            Err(SettingError::Value { name, value: value.to_owned(), expected: self.expected() })
        }
    }

    fn expected(&self) -> String {
        match self.kind {
            ValueType::Text if self.options.is_empty() => "a text".to_owned(),
            ValueType::Text => format!("one of {}", self.options.join(", ")),
            ValueType::Bool => "true or false".to_owned(),
            ValueType::Int { minimum, maximum: i64::MAX } => format!("a whole number from {minimum}"),
            ValueType::Int { minimum, maximum } => format!("a whole number from {minimum} to {maximum}"),
        }
    }

    /// As the API tells it.
    #[must_use]
    pub fn to_api(&self) -> SettingDefinition {
        SettingDefinition {
            display_name: self.display_name.to_owned(),
            description: self.description.to_owned(),
            category: self.category.to_owned(),
            kind: match self.kind {
                ValueType::Text => "string",
                ValueType::Bool => "bool",
                ValueType::Int { .. } => "int",
            }
            .to_owned(),
            required: self.required,
            read_only: self.read_only,
            data_engine_specific: self.per_engine,
            default: self.default.to_owned(),
            options: self.options.iter().map(|&option| option.to_owned()).collect(),
            range: BTreeMap::new(),
            float_range: BTreeMap::new(),
        }
    }
}

/// The present values; cheap to clone, all clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: Arc<RwLock<BTreeMap<String, String>>>,
}

impl Settings {
    /// Takes over a value, as the setting controller sees it in the store.
    pub fn set(&self, name: &str, value: &str) {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        values.insert(name.to_owned(), value.to_owned());
    }

    /// The value as text; the default when nothing (or nothing readable) is stored. For a setting that differs by
    /// data engine: the value of `v1`.
    #[must_use]
    pub fn text(&self, name: Name) -> String {
        let stored = {
            let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
            values.get(name.word()).cloned()
        };
        let definition = name.definition();
        let one = |value: String| match engine_values(&value) {
            Some(mut by_engine) if definition.per_engine => by_engine.remove("v1").unwrap_or_default(),
            _ => value,
        };
        match stored.map(one) {
            Some(value) if definition.check_one(&value).is_ok() => value,
            _ => one(definition.default.to_owned()),
        }
    }

    #[must_use]
    pub fn flag(&self, name: Name) -> bool {
        self.text(name) == "true"
    }

    /// 0 for a setting that is no number, which the registry's test rules out.
    #[must_use]
    pub fn number(&self, name: Name) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_good_value_and_every_name_has_one_row() {
        for definition in DEFINITIONS {
            assert!(
                definition.read_only || check(definition.name.word(), definition.default).is_ok(),
                "{definition:?}"
            );
            assert_eq!(definition.name.definition().name, definition.name, "the names are not in the table's order");
            let rows = DEFINITIONS.iter().filter(|other| other.name == definition.name).count();
            assert_eq!(rows, 1, "{definition:?}");
        }
    }

    #[test]
    fn what_users_write() {
        assert_eq!(check("default-replica-count", " 2 ").unwrap(), r#"{"v1":"2","v2":"2"}"#);
        assert_eq!(check("default-replica-count", r#"{"v1":"5"}"#).unwrap(), r#"{"v1":"5","v2":"3"}"#);
        assert_eq!(check("replica-soft-anti-affinity", "true").unwrap(), "true");
        for (name, value, words) in [
            ("default-replica-count", "21", "from 1 to 20"),
            ("replica-soft-anti-affinity", "yes", "true or false"),
            ("storage-minimal-available-percentage", "101", "from 0 to 100"),
            ("default-data-locality", "near", "best-effort"),
            ("storage-over-provisioning-percentage", "", "can't be empty"),
            ("no-such", "1", "/v1/settings"),
            ("current-longhorn-version", "9", "read"),
        ] {
            let message = check(name, value).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn typed_reading_falls_back_to_defaults() {
        let settings = Settings::default();
        assert_eq!(settings.number(Name::DefaultReplicaCount), 3);
        settings.set("default-replica-count", r#"{"v1":"2","v2":"9"}"#);
        assert_eq!(settings.number(Name::DefaultReplicaCount), 2);
        settings.set("storage-over-provisioning-percentage", "broken");
        assert_eq!(settings.number(Name::StorageOverProvisioningPercentage), 100);
        assert!(!settings.flag(Name::ReplicaSoftAntiAffinity));
    }
}
