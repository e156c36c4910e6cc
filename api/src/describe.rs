//! Types that describe themselves: names, JSON forms, flags and documentation of their fields.
//!
//! `#[derive(Described)]` reads the serde attributes that make the JSON, so a description can't drift from the wire.
//! What serde does not know stands in `#[schema(…)]`:
//! | on | attribute | meaning |
//! |---|---|---|
//! | struct | `id = "diskInfo"` | its name in `/v1/schemas`; without it the Rust name with a small first letter |
//! | field | `create` `update` `required` `unique` `nullable` | Longhorn's flags |
//! | field | `ours` | Longhorn has no such field |
//! | field | `default = "2"` | the advertised default |
//! | field | `as = "map[nodeCondition]"` | the word that Longhorn's schema has where it differs from what is sent |
//! | field | `wire = "integer"` | the JSON form where a function makes it (`serde(with)`): text, integer, float, bool, any |
//! | field | `options("rwo", "rwx")` | the words that a text can be; an enum brings its own |
//!
//! Everything is constant and made of references: a program that asks for no shape has none in it (the dashboard).

use std::collections::BTreeMap;

pub use aurochs_api_derive::Described;

use crate::schema::{Collection, Resource};
use crate::size::ByteSize;

/// A struct as it is on the wire.
#[derive(Debug)]
pub struct Shape {
    /// Name in `/v1/schemas`: `diskInfo`.
    pub id: &'static str,
    pub doc: &'static str,
    pub fields: &'static [Field],
}

/// A field of a struct.
#[derive(Debug)]
pub struct Field {
    /// As it is on the wire.
    pub name: &'static str,
    pub doc: &'static str,
    /// What is really sent.
    pub wire: Wire,
    /// Longhorn's word for it in `/v1/schemas`; none when it follows from `wire`.
    pub schema_type: Option<&'static str>,
    pub flags: Flags,
    pub default: Option<&'static str>,
    /// The words that a text can be; empty when it can be any.
    pub options: &'static [&'static str],
    /// Its own fields stand in its place.
    pub flattened: bool,
    /// It is left out when there is nothing in it.
    pub omitted_when_empty: bool,
}

/// Longhorn's flags, and one of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub create: bool,
    pub update: bool,
    pub required: bool,
    pub unique: bool,
    pub nullable: bool,
    /// Longhorn has no such field.
    pub ours: bool,
}

impl Flags {
    pub const NONE: Self =
        Self { create: false, update: false, required: false, unique: false, nullable: false, ours: false };
}

/// A JSON form.
#[derive(Clone, Copy, Debug)]
pub enum Wire {
    /// No body at all.
    Nothing,
    Text,
    Integer,
    Float,
    Bool,
    /// Anything that is JSON.
    Any,
    /// An object with these fields. A function, so that shapes can name each other in a circle.
    Named(fn() -> &'static Shape),
    List(&'static Wire),
    /// An object with any keys.
    Map(&'static Wire),
    /// The same, or null, or absent.
    Nullable(&'static Wire),
}

/// What has a known JSON form.
pub trait Described {
    const WIRE: Wire;
    /// The words that a text can be; empty when it can be any, and for what is no text.
    const OPTIONS: &'static [&'static str] = &[];
}

/// What is an object with known fields.
pub trait Shaped: Described {
    /// Its name, for those who need no more of the shape than that.
    const ID: &'static str;
    fn shape() -> &'static Shape;
}

// === reading ===

impl Shape {
    /// All fields as they stand on the wire: those of flattened ones in their place.
    #[must_use]
    pub fn wire_fields(&self) -> Vec<&'static Field> {
        let mut all = Vec::new();
        for field in self.fields {
            match field.wire {
                Wire::Named(shape) if field.flattened => all.extend(shape().wire_fields()),
                _ => all.push(field),
            }
        }
        all
    }
}

impl Field {
    /// Longhorn's word for the type: `string`, `int`, `array[replica]`, `map[string]`, `diskInfo`.
    #[must_use]
    pub fn schema_type(&self) -> String {
        self.schema_type.map_or_else(|| self.wire.schema_type(), str::to_owned)
    }
}

impl Wire {
    /// Longhorn's word for the type. It calls every map and list of plain values one of strings. Empty for nothing.
    #[must_use]
    pub fn schema_type(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text | Self::Any => "string".to_owned(),
            Self::Integer => "int".to_owned(),
            Self::Float => "float".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Named(shape) => shape().id.to_owned(),
            Self::List(item) => format!("array[{}]", item.named().map_or("string", |shape| shape.id)),
            Self::Map(value) => format!("map[{}]", value.named().map_or("string", |shape| shape.id)),
            Self::Nullable(inner) => inner.schema_type(),
        }
    }

    /// The struct that this is, holds or lists.
    #[must_use]
    pub fn named(&self) -> Option<&'static Shape> {
        match self {
            Self::Named(shape) => Some(shape()),
            Self::List(inner) | Self::Map(inner) | Self::Nullable(inner) => inner.named(),
            Self::Nothing | Self::Text | Self::Integer | Self::Float | Self::Bool | Self::Any => None,
        }
    }
}

// === what the language and this crate bring ===

macro_rules! plain {
    ($($kind:ty => $wire:ident),* $(,)?) => {
        $(impl Described for $kind {
            const WIRE: Wire = Wire::$wire;
        })*
    };
}

plain! {
    () => Nothing,
    String => Text,
    &'static str => Text,
    ByteSize => Text,
    bool => Bool,
    u16 => Integer,
    u32 => Integer,
    u64 => Integer,
    i64 => Integer,
    f64 => Float,
}

impl<T: Described> Described for Option<T> {
    const WIRE: Wire = Wire::Nullable(&T::WIRE);
    const OPTIONS: &'static [&'static str] = T::OPTIONS;
}

impl<T: Described> Described for Vec<T> {
    const WIRE: Wire = Wire::List(&T::WIRE);
    const OPTIONS: &'static [&'static str] = T::OPTIONS;
}

impl<T: Described> Described for BTreeMap<String, T> {
    const WIRE: Wire = Wire::Map(&T::WIRE);
    const OPTIONS: &'static [&'static str] = T::OPTIONS;
}

impl<T: Described> Described for BTreeMap<&'static str, T> {
    const WIRE: Wire = Wire::Map(&T::WIRE);
    const OPTIONS: &'static [&'static str] = T::OPTIONS;
}

impl<T: Described> Described for Box<T> {
    const WIRE: Wire = T::WIRE;
    const OPTIONS: &'static [&'static str] = T::OPTIONS;
}

/// The header belongs to every resource and is not told again.
impl<T: Described> Described for Resource<T> {
    const WIRE: Wire = T::WIRE;
}

impl<T: Described> Described for Collection<T> {
    const WIRE: Wire = Wire::List(&T::WIRE);
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::size::as_number;

    #[derive(Described, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        #[serde(rename = "")]
        None,
    }

    /// A thing
    /// of two lines.
    #[derive(Described, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    #[schema(id = "thingInfo")]
    struct Thing {
        #[schema(create, required, default = "a")]
        long_name: String,
        #[serde(rename = "diskUUID")]
        disk_uuid: String,
        #[serde(with = "as_number")]
        #[schema(wire = "integer")]
        bytes: ByteSize,
        colour: Option<Colour>,
        parts: BTreeMap<String, Part>,
        #[schema(as = "map[bool]", ours)]
        flags: BTreeMap<String, bool>,
        #[serde(flatten)]
        rest: Part,
        #[serde(skip)]
        inner: u32,
    }

    impl Default for Thing {
        fn default() -> Self {
            Self {
                long_name: String::new(),
                disk_uuid: String::new(),
                bytes: ByteSize::ZERO,
                colour: Some(Colour::Red),
                parts: [("one".to_owned(), Part::default())].into(),
                flags: BTreeMap::new(),
                rest: Part::default(),
                inner: 0,
            }
        }
    }

    #[derive(Default, Described, Serialize, Deserialize)]
    #[serde(default)]
    struct Part {
        #[serde(skip_serializing_if = "String::is_empty")]
        note: String,
        weights: Vec<f64>,
    }

    #[test]
    fn the_description_has_the_names_that_are_sent() {
        let json = serde_json::to_value(Thing::default()).unwrap();
        let sent: Vec<&String> = json.as_object().unwrap().keys().collect();
        let fields = Thing::shape().wire_fields();
        let mut told: Vec<&str> =
            fields.iter().filter(|field| !field.omitted_when_empty).map(|field| field.name).collect();
        told.sort_unstable();
        assert_eq!(sent, told);
        assert_eq!(serde_json::to_value(Colour::None).unwrap(), Colour::OPTIONS[1]);
    }

    #[test]
    fn words_of_longhorns_schemas() {
        let words: Vec<(&str, String)> =
            Thing::shape().wire_fields().iter().map(|field| (field.name, field.schema_type())).collect();
        let wanted = [
            ("longName", "string"),
            ("diskUUID", "string"),
            ("bytes", "int"),
            ("colour", "string"),
            ("parts", "map[part]"),
            ("flags", "map[bool]"),
            ("note", "string"),
            ("weights", "array[string]"),
        ];
        assert_eq!(words, wanted.map(|(name, kind)| (name, kind.to_owned())));
    }

    #[test]
    fn flags_defaults_and_documentation() {
        let shape = Thing::shape();
        assert_eq!((shape.id, shape.doc), ("thingInfo", "A thing of two lines."));
        let name = &shape.fields[0];
        assert_eq!(name.flags, Flags { create: true, required: true, ..Flags::NONE });
        assert_eq!(name.default, Some("a"));
        let colour = shape.fields.iter().find(|field| field.name == "colour").unwrap();
        assert_eq!(colour.options, ["red", ""]);
        assert!(shape.fields.iter().any(|field| field.name == "flags" && field.flags.ours));
    }
}
