//! One field of a form, as data. Labels and hints are English; the form translates them.

use serde_json::Value;

use super::Values;

/// What is typed or chosen, and what it is in JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Text.
    Text,
    /// A number between both ends, both included. JSON number.
    Number { min: i64, max: i64 },
    /// Bytes with a unit. JSON text of decimal digits, as Longhorn writes sizes.
    Size,
    /// One of these: value and what is shown (already translated). JSON text.
    Select(Vec<(String, String)>),
    /// JSON flag.
    Toggle,
    /// Words. JSON list of texts.
    Tags,
    /// Pairs `key=value`. JSON object of texts.
    Labels,
    /// Several lines. JSON text.
    Area,
    /// Not shown while it is typed. JSON text.
    Secret,
    /// A schedule, explained as it is typed. JSON text.
    Cron,
    /// A file of the user's machine; not in the JSON: `Values::file`.
    File,
    /// No field: a title between fields.
    Heading,
}

pub(crate) type Check = fn(&str, &Values) -> Result<(), String>;

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    pub(crate) shape: Shape,
    pub(crate) hint: &'static str,
    pub(crate) required: bool,
    pub(crate) fixed: bool,
    pub(crate) advanced: bool,
    pub(crate) value: Value,
    pub(crate) check: Option<Check>,
    pub(crate) when: Option<fn(&Values) -> bool>,
}

impl Field {
    fn of(key: &'static str, label: &'static str, shape: Shape) -> Self {
        let value = Value::Null;
        Self {
            key,
            label,
            shape,
            hint: "",
            required: false,
            fixed: false,
            advanced: false,
            value,
            check: None,
            when: None,
        }
    }

    pub(crate) fn text(key: &'static str, label: &'static str) -> Self {
        Self::of(key, label, Shape::Text)
    }

    /// Both ends are allowed.
    pub(crate) fn number(key: &'static str, label: &'static str, min: i64, max: i64) -> Self {
        Self::of(key, label, Shape::Number { min, max })
    }

    pub(crate) fn size(key: &'static str, label: &'static str) -> Self {
        Self::of(key, label, Shape::Size)
    }

    /// Values and what is shown for them, already translated. The first one is chosen unless `.value` says another.
    pub(crate) fn select(key: &'static str, label: &'static str, choices: Vec<(String, String)>) -> Self {
        Self::of(key, label, Shape::Select(choices))
    }

    pub(crate) fn toggle(key: &'static str, label: &'static str) -> Self {
        Self::of(key, label, Shape::Toggle)
    }

    pub(crate) fn tags(key: &'static str, label: &'static str) -> Self {
        Self::of(key, label, Shape::Tags)
    }

    pub(crate) fn labels(key: &'static str, label: &'static str) -> Self {
        Self::of(key, label, Shape::Labels)
    }

    pub(crate) fn area(key: &'static str, label: &'static str) -> Self {
        Self::of(key, label, Shape::Area)
    }

    pub(crate) fn secret(key: &'static str, label: &'static str) -> Self {
        Self::of(key, label, Shape::Secret)
    }

    pub(crate) fn cron(key: &'static str, label: &'static str) -> Self {
        Self::of(key, label, Shape::Cron)
    }

    pub(crate) fn file(key: &'static str, label: &'static str) -> Self {
        Self::of(key, label, Shape::File)
    }

    /// A title above the fields that follow.
    pub(crate) fn heading(label: &'static str) -> Self {
        Self::of("", label, Shape::Heading)
    }

    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// A line below the field.
    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// What is wrong with what was typed, already translated.
    pub(crate) fn check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// What stands in it at first, in the JSON form of its shape.
    pub(crate) fn value(mut self, value: impl Into<Value>) -> Self {
        self.value = value.into();
        self
    }

    /// Folded away at first.
    pub(crate) fn advanced(mut self) -> Self {
        self.advanced = true;
        self
    }

    /// Shown, and counted, only when this holds.
    pub(crate) fn when(mut self, when: fn(&Values) -> bool) -> Self {
        self.when = Some(when);
        self
    }

    /// Shown, and can't be changed.
    pub(crate) fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }
}
