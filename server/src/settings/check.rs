//! Checks of what a user writes: [`check`] for one setting alone, [`against_others`] for those that exclude each other.

use super::data_engine::{self, Written};
use super::{Acts, Definition, Form, Name, ValueType};
use crate::feature::Feature;

/// No setting needs more; a longer text is a mistake.
const VALUE_LIMIT_BYTES: usize = 16 << 10;
/// Whole numbers without an end of their own end here, so that no reader can overflow: 68 years in seconds.
const INT_LIMIT: i64 = i32::MAX as i64;

/// Why a value is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    #[error("there is no setting named {0:?}; list /v1/settings for the names")]
    Unknown(String),
    #[error("the setting {0} can only be read: the system itself writes it")]
    ReadOnly(&'static str),
    #[error("the setting {name} can't be empty; give {expected}")]
    Empty { name: &'static str, expected: String },
    // "with invalid value" is what scripts written for Longhorn look for.
    #[error("the setting {name} with invalid value {value:?} is not saved; give {expected}")]
    Value { name: &'static str, value: String, expected: String },
    #[error("the value for the setting {name} has {bytes} bytes, more than the {VALUE_LIMIT_BYTES} that it can have")]
    Long { name: &'static str, bytes: usize },
    #[error("the setting {name} can't be {value:?} while {other} is {other_value:?}")]
    Excluded { name: &'static str, value: String, other: &'static str, other_value: String },
    #[error("setting {name} to {value:?} is not done: this version has no {} yet", .feature.words())]
    NotYet { name: &'static str, value: String, feature: Feature },
}

/// Checks what a user wrote and brings it into the form that is stored: trimmed, and for settings that differ by
/// data engine a JSON object (`{"v1":"3","v2":"3"}`; a plain value stands for every engine, an engine that is left out
/// gets its default, one that the setting does not have is left out).
pub fn check(name: &str, value: &str) -> Result<String, SettingError> {
    let definition = Name::of_word(name).ok_or_else(|| SettingError::Unknown(name.to_owned()))?.definition();
    let name = definition.name.word();
    if definition.read_only {
        return Err(SettingError::ReadOnly(name));
    }
    if value.len() > VALUE_LIMIT_BYTES {
        return Err(SettingError::Long { name, bytes: value.len() });
    }
    let stored = definition.normalize(value.trim())?;
    match definition.acts {
        Acts::Later(feature) if !definition.is_true_anyway(&stored) => {
            Err(SettingError::NotYet { name, value: stored, feature })
        }
        _ => Ok(stored),
    }
}

/// Pairs that can't both be true: a purge that is never done cleans nothing up.
const EXCLUDING: [[Name; 2]; 1] = [[Name::DisableSnapshotPurge, Name::AutoCleanupSystemGeneratedSnapshot]];

/// Whether the value, which has been checked, goes together with what the others are now.
pub fn against_others(name: Name, value: &str, now: impl Fn(Name) -> String) -> Result<(), SettingError> {
    for pair in EXCLUDING {
        let Some(place) = pair.iter().position(|&one| one == name) else { continue };
        let other = pair[1 - place];
        if value == "true" && now(other) == "true" {
            let (value, other_value) = (value.to_owned(), now(other));
            return Err(SettingError::Excluded { name: name.word(), value, other: other.word(), other_value });
        }
    }
    Ok(())
}

impl Definition {
    /// The value in the form that is stored, when every part of it is good.
    fn normalize(&self, value: &str) -> Result<String, SettingError> {
        if !self.per_engine {
            return self.check_part(value).map(|()| value.to_owned());
        }
        let mut stored = data_engine::parts(self.default);
        match data_engine::read(value) {
            Written::Plain(value) => stored.values_mut().for_each(|part| part.clone_from(&value)),
            Written::ByEngine(given) => {
                for (engine, part) in given {
                    stored.entry(engine).and_modify(|known| *known = part);
                }
            }
            Written::Broken => return Err(self.wrong(value)),
        }
        stored.values().try_for_each(|part| self.check_part(part))?;
        Ok(data_engine::write(&stored))
    }

    /// One value: the whole, or that of one engine.
    pub(super) fn check_part(&self, value: &str) -> Result<(), SettingError> {
        if value.is_empty() {
            // What the system fills in is "required" although it is empty at first.
            let may_be_empty = !self.required || self.default.is_empty();
            let error = || SettingError::Empty { name: self.name.word(), expected: self.expected() };
            return if may_be_empty { Ok(()) } else { Err(error()) };
        }
        let fits_type = match self.kind {
            ValueType::Text | ValueType::Deprecated | ValueType::Untold => {
                self.options.is_empty() || self.options.contains(&value)
            }
            ValueType::Bool => matches!(value, "true" | "false"),
            ValueType::Int { minimum, maximum } => {
                let range = minimum.unwrap_or(-INT_LIMIT)..=maximum.unwrap_or(INT_LIMIT);
                value.parse::<i64>().is_ok_and(|number| range.contains(&number))
            }
            ValueType::Float { minimum, maximum } => {
                value.parse::<f64>().is_ok_and(|number| (minimum..=maximum).contains(&number))
            }
        };
        if fits_type && self.form.fits(value) { Ok(()) } else { Err(self.wrong(value)) }
    }

    fn wrong(&self, value: &str) -> SettingError {
        // The whole of a long text helps nobody.
        let value = value.chars().take(200).collect();
        SettingError::Value { name: self.name.word(), value, expected: self.expected() }
    }

    /// Fits after "give".
    fn expected(&self) -> String {
        match self.kind {
            _ if self.form != Form::Any => self.form.expected(),
            ValueType::Bool => "true or false".to_owned(),
            ValueType::Int { minimum, maximum } => {
                let minimum = minimum.unwrap_or(-INT_LIMIT);
                maximum.map_or_else(
                    || format!("a whole number from {minimum}"),
                    |maximum| format!("a whole number from {minimum} to {maximum}"),
                )
            }
            ValueType::Float { minimum, maximum } => format!("a number from {minimum} to {maximum}"),
            _ if !self.options.is_empty() => format!("one of {}", self.options.join(", ")),
            _ => "a text".to_owned(),
        }
    }

    /// Whether the stored form describes what this version does anyway.
    fn is_true_anyway(&self, stored: &str) -> bool {
        if !self.per_engine {
            return stored == self.default || self.true_already.contains(&stored);
        }
        let defaults = data_engine::parts(self.default);
        let is_true = |(engine, part): (&String, &String)| {
            defaults.get(engine) == Some(part) || self.true_already.contains(&part.as_str())
        };
        data_engine::parts(stored).iter().all(is_true)
    }
}
