//! A row of the table: what a setting is called, what it takes, and what it does in this version.

use std::collections::BTreeMap;

use aurochs_api::setting::SettingDefinition;

use super::{Form, Name};
use crate::feature::Feature;

/// Where the settings page shows it. The words are Longhorn's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    Backup,
    /// Changes here reach into running volumes or the system's own parts.
    DangerZone,
    General,
    Orphan,
    Scheduling,
    Snapshot,
    SystemInfo,
}

impl Category {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::DangerZone => "danger Zone",
            Self::General => "general",
            Self::Orphan => "orphan",
            Self::Scheduling => "scheduling",
            Self::Snapshot => "snapshot",
            Self::SystemInfo => "system info",
        }
    }
}

/// What a value is. Ends of ranges belong to them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueType {
    Text,
    Bool,
    Int {
        minimum: Option<i64>,
        maximum: Option<i64>,
    },
    Float {
        minimum: f64,
        maximum: f64,
    },
    /// Kept for old clients; a text.
    Deprecated,
    /// Longhorn names no type for it; a text.
    Untold,
}

impl ValueType {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Bool => "bool",
            Self::Int { .. } => "int",
            Self::Float { .. } => "float",
            Self::Deprecated => "deprecated",
            Self::Untold => "",
        }
    }
}

/// What a setting does in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acts {
    /// It is obeyed, from the next pass of whoever reads it.
    Now,
    /// It gives a default or a bound for what is created from now on, and does no more yet.
    Default,
    /// What it would change is not there yet: only values that come true all the same are taken.
    Later(Feature),
    /// It is obeyed in Kubernetes, by programs that are there alone. On one machine there is nothing that it could change.
    InKubernetes,
    /// It tells something; the system itself writes it.
    Tells,
}

/// When a change is in force (`status.applied`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    AtOnce,
    /// Parts of the system must be started anew for it, which waits until no volume is attached.
    WhenAllDetached,
    /// The same for volumes that several nodes mount at once.
    WhenSharedDetached,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    pub name: Name,
    pub category: Category,
    pub title: &'static str,
    /// Without what [`Acts::Later`] adds: see [`Definition::told`].
    pub description: &'static str,
    pub kind: ValueType,
    /// What the type does not say about a value.
    pub form: Form,
    pub default: &'static str,
    pub options: &'static [&'static str],
    /// The value can't be empty.
    pub required: bool,
    pub read_only: bool,
    /// The value is a JSON object keyed by the data engines that the default names.
    pub per_engine: bool,
    pub acts: Acts,
    /// Values besides the default that describe what this version does anyway.
    pub true_already: &'static [&'static str],
    pub applies: Applies,
    /// Longhorn has no such setting.
    pub ours: bool,
}

// === building rows ===

const fn row(name: Name, kind: ValueType, default: &'static str) -> Definition {
    Definition {
        name,
        // The table's own; see `registry::all`.
        category: Category::General,
        title: "",
        description: "",
        kind,
        form: Form::Any,
        default,
        options: &[],
        required: true,
        read_only: false,
        per_engine: false,
        acts: Acts::Now,
        true_already: &[],
        applies: Applies::AtOnce,
        ours: false,
    }
}

pub(super) const fn text(name: Name, default: &'static str) -> Definition {
    row(name, ValueType::Text, default)
}

pub(super) const fn boolean(name: Name, default: &'static str) -> Definition {
    row(name, ValueType::Bool, default)
}

/// A whole number, as far as its definition tells of no range.
pub(super) const fn int(name: Name, default: &'static str) -> Definition {
    row(name, ValueType::Int { minimum: None, maximum: None }, default)
}

pub(super) const fn int_from(name: Name, minimum: i64, default: &'static str) -> Definition {
    row(name, ValueType::Int { minimum: Some(minimum), maximum: None }, default)
}

pub(super) const fn int_between(name: Name, minimum: i64, maximum: i64, default: &'static str) -> Definition {
    row(name, ValueType::Int { minimum: Some(minimum), maximum: Some(maximum) }, default)
}

pub(super) const fn float_between(name: Name, minimum: f64, maximum: f64, default: &'static str) -> Definition {
    row(name, ValueType::Float { minimum, maximum }, default)
}

impl Definition {
    pub(super) const fn says(self, title: &'static str, description: &'static str) -> Self {
        Self { title, description, ..self }
    }

    pub(super) const fn typed(self, kind: ValueType) -> Self {
        Self { kind, ..self }
    }

    pub(super) const fn formed(self, form: Form) -> Self {
        Self { form, ..self }
    }

    pub(super) const fn one_of(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    pub(super) const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    pub(super) const fn per_engine(self) -> Self {
        Self { per_engine: true, ..self }
    }

    pub(super) const fn tells(self) -> Self {
        Self { read_only: true, acts: Acts::Tells, ..self }
    }

    pub(super) const fn gives_a_default(self) -> Self {
        Self { acts: Acts::Default, ..self }
    }

    pub(super) const fn later(self, feature: Feature) -> Self {
        Self { acts: Acts::Later(feature), ..self }
    }

    pub(super) const fn in_kubernetes(self) -> Self {
        Self { acts: Acts::InKubernetes, ..self }
    }

    pub(super) const fn true_already(self, values: &'static [&'static str]) -> Self {
        Self { true_already: values, ..self }
    }

    pub(super) const fn ours(self) -> Self {
        Self { ours: true, ..self }
    }

    pub(super) const fn applies(self, applies: Applies) -> Self {
        Self { applies, ..self }
    }
}

// === telling ===

impl Definition {
    /// The description with what this version does not do.
    #[must_use]
    pub fn told(&self) -> String {
        let description = self.description;
        let missing = match self.acts {
            Acts::Later(feature) => feature.words(),
            Acts::InKubernetes => return format!("{description} It means nothing outside of Kubernetes."),
            Acts::Now | Acts::Default | Acts::Tells => return description.to_owned(),
        };
        if self.true_already.is_empty() {
            return format!("{description} This version has no {missing} yet, so that only the default is taken.");
        }
        let so_already = self.true_already.join(", ");
        format!("{description} This version has no {missing} yet, so that only the default is taken, or {so_already}.")
    }

    /// As the API tells it.
    #[must_use]
    pub fn to_api(&self) -> SettingDefinition {
        let (range, float_range) = match self.kind {
            ValueType::Int { minimum, maximum } => (ends(minimum, maximum), BTreeMap::new()),
            ValueType::Float { minimum, maximum } => (BTreeMap::new(), ends(Some(minimum), Some(maximum))),
            _ => (BTreeMap::new(), BTreeMap::new()),
        };
        SettingDefinition {
            display_name: self.title.to_owned(),
            description: self.told(),
            category: self.category.word().to_owned(),
            kind: self.kind.word().to_owned(),
            required: self.required,
            read_only: self.read_only,
            data_engine_specific: self.per_engine,
            default: self.default.to_owned(),
            options: self.options.iter().map(|&option| option.to_owned()).collect(),
            range,
            float_range,
        }
    }
}

fn ends<T>(minimum: Option<T>, maximum: Option<T>) -> BTreeMap<String, T> {
    let named = [("minimum", minimum), ("maximum", maximum)];
    named.into_iter().filter_map(|(name, end)| Some((name.to_owned(), end?))).collect()
}
