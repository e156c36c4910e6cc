//! A schema: what a value of a custom resource can be. It is made of Longhorn's facts first, takes our types in afterwards,
//! and is written as OpenAPI.

use std::collections::{BTreeMap, BTreeSet};

use aurochs_api::describe::{Field, Shape, Wire};
use serde_json::{Value, json};

use super::facts::{FieldFacts, Rules};

/// A value's schema.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub form: Form,
    /// `int64`, `date-time`.
    pub format: Option<&'static str>,
    /// The words that a text can be; empty when it can be any.
    pub words: Vec<&'static str>,
    pub nullable: bool,
    /// One of our types has it. What only Longhorn has is kept as it is.
    pub ours: bool,
    minimum: Option<i64>,
    maximum: Option<i64>,
    default: Option<&'static str>,
    doc: &'static str,
}

#[derive(Clone, Debug, Default)]
pub enum Form {
    /// Anything that is JSON.
    #[default]
    Any,
    Text,
    Integer,
    Float,
    Bool,
    Object(Object),
    /// An object with any keys.
    Map(Box<Schema>),
    List(Box<Schema>),
}

/// An object with known keys.
#[derive(Clone, Debug, Default)]
pub struct Object {
    pub fields: BTreeMap<&'static str, Schema>,
    required: BTreeSet<&'static str>,
}

// === of Longhorn's facts ===

impl Schema {
    pub(super) fn object() -> Self {
        Self { form: Form::Object(Object::default()), ..Self::default() }
    }

    /// Puts a field in its place below this one. False when the table contradicts itself.
    pub(super) fn put(&mut self, fact: &FieldFacts) -> bool {
        let (parents, last) = fact.path.rsplit_once('.').unwrap_or(("", fact.path));
        let Some(mut field) = Self::of_form(fact.form) else { return false };
        field.obey(&fact.rules);
        let Some(Form::Object(object)) = self.below(parents).map(|parent| &mut parent.form) else { return false };
        let name = bare(last);
        if fact.rules.required {
            object.required.insert(name);
        }
        object.fields.insert(name, field).is_none()
    }

    fn below(&mut self, path: &'static str) -> Option<&mut Self> {
        let mut found = self;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let Form::Object(object) = &mut found.form else { return None };
            found = object.fields.get_mut(bare(part))?.item();
        }
        Some(found)
    }

    /// What a list or a map holds; a schema of anything else is its own.
    fn item(&mut self) -> &mut Self {
        // By `ref`, so that nothing is borrowed where it is `self` that is returned.
        match self.form {
            Form::List(ref mut item) | Form::Map(ref mut item) => item,
            _ => self,
        }
    }

    fn obey(&mut self, rules: &Rules) {
        self.words.clone_from(&rules.words);
        self.nullable = rules.nullable;
        (self.minimum, self.maximum, self.default) = (rules.minimum, rules.maximum, rules.default);
    }

    fn of_form(word: &'static str) -> Option<Self> {
        if let Some(inner) = word.strip_prefix("array<").and_then(|rest| rest.strip_suffix('>')) {
            return Some(Self { form: Form::List(Box::new(Self::of_form(inner)?)), ..Self::default() });
        }
        if let Some(inner) = word.strip_prefix("map<").and_then(|rest| rest.strip_suffix('>')) {
            return Some(Self { form: Form::Map(Box::new(Self::of_form(inner)?)), ..Self::default() });
        }
        let (word, format) = match word.strip_suffix(')').and_then(|word| word.split_once('(')) {
            Some((word, format)) => (word, Some(format)),
            None => (word, None),
        };
        let form = match word {
            "string" => Form::Text,
            "integer" => Form::Integer,
            "boolean" => Form::Bool,
            "object" => Form::Object(Object::default()),
            _ => return None,
        };
        Some(Self { form, format, ..Self::default() })
    }
}

/// A field's name without the mark of a list or map.
fn bare(part: &'static str) -> &'static str {
    part.trim_end_matches("[]").trim_end_matches("{}")
}

// === of our types ===

/// What a type of ours says of one field, where that is not what Longhorn says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    pub path: String,
    pub why: String,
}

impl Schema {
    /// Takes the fields of a type in. Where Longhorn has a field of that name, its rules stay, and words that only we have
    /// are added.
    pub(super) fn take(&mut self, shape: &'static Shape, path: &str, clashes: &mut Vec<Clash>) {
        self.ours = true;
        let Form::Object(object) = &mut self.form else {
            return clashes.push(Clash { path: path.to_owned(), why: format!("it is no object such as {}", shape.id) });
        };
        for field in shape.wire_fields() {
            let path = format!("{path}.{}", field.name);
            let known = object.fields.entry(field.name).or_insert_with(|| Self::of_wire(&field.wire));
            known.unify(&field.wire, field, &path, clashes);
            known.doc = field.doc;
        }
    }

    /// The outline; `unify` fills what is below.
    fn of_wire(wire: &Wire) -> Self {
        let form = match wire {
            Wire::Nothing | Wire::Any => Form::Any,
            Wire::Text => Form::Text,
            Wire::Integer => Form::Integer,
            Wire::Float => Form::Float,
            Wire::Bool => Form::Bool,
            Wire::Named(_) => Form::Object(Object::default()),
            Wire::List(item) => Form::List(Box::new(Self::of_wire(item))),
            Wire::Map(value) => Form::Map(Box::new(Self::of_wire(value))),
            Wire::Nullable(inner) => return Self { nullable: true, ..Self::of_wire(inner) },
        };
        let format = matches!(wire, Wire::Integer).then_some("int64");
        Self { form, format, ..Self::default() }
    }

    fn unify(&mut self, wire: &Wire, field: &'static Field, path: &str, clashes: &mut Vec<Clash>) {
        self.ours = true;
        match (wire, &mut self.form) {
            (Wire::Nullable(inner), _) => {
                self.nullable = true;
                self.unify(inner, field, path, clashes);
            }
            (Wire::Text, Form::Text) => self.add_words(field.options),
            (Wire::Integer, Form::Integer)
            | (Wire::Float, Form::Float)
            | (Wire::Bool, Form::Bool)
            | (Wire::Any | Wire::Nothing, _) => {}
            (Wire::List(inner), Form::List(item)) => item.unify(inner, field, &format!("{path}[]"), clashes),
            (Wire::Map(inner), Form::Map(value)) => value.unify(inner, field, &format!("{path}{{}}"), clashes),
            (Wire::Named(shape), Form::Object(_)) => self.take(shape(), path, clashes),
            (wire, form) => clashes.push(Clash { path: path.to_owned(), why: format!("{wire:?} is no {form:?}") }),
        }
    }

    /// Where Longhorn names the words, ours must be let in too. Where it does not, a later version may know more of them.
    fn add_words(&mut self, own: &[&'static str]) {
        if self.words.is_empty() {
            return;
        }
        for word in own.iter().filter(|word| **word != FOR_UNKNOWN) {
            if !self.words.contains(word) {
                self.words.push(*word);
            }
        }
    }
}

/// The variant that an enum of ours has for words that it does not know.
const FOR_UNKNOWN: &str = "other";

// === as OpenAPI ===

impl Schema {
    /// As it stands in a definition's `openAPIV3Schema`.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut json = match &self.form {
            Form::Any => json!({"x-kubernetes-preserve-unknown-fields": true}),
            Form::Text => json!({"type": "string"}),
            Form::Integer => json!({"type": "integer"}),
            Form::Float => json!({"type": "number"}),
            Form::Bool => json!({"type": "boolean"}),
            Form::Object(object) => object.json(),
            Form::Map(value) => json!({"type": "object", "additionalProperties": value.json()}),
            Form::List(item) => json!({"type": "array", "items": item.json()}),
        };
        let mut say = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                json[key] = value;
            }
        };
        say("format", self.format.map(Value::from));
        say("enum", (!self.words.is_empty()).then(|| json!(self.words)));
        say("nullable", self.nullable.then_some(Value::Bool(true)));
        say("minimum", self.minimum.map(Value::from));
        say("maximum", self.maximum.map(Value::from));
        say("default", self.default.map(Value::from));
        say("description", (!self.doc.is_empty()).then(|| Value::from(self.doc)));
        json
    }
}

impl Object {
    fn json(&self) -> Value {
        let mut json = json!({"type": "object"});
        if !self.fields.is_empty() {
            json["properties"] = self.fields.iter().map(|(name, field)| ((*name).to_owned(), field.json())).collect();
        }
        if !self.required.is_empty() {
            json["required"] = json!(self.required);
        }
        json
    }
}

// === looking ===

impl Schema {
    /// Whether the value says nothing, and the rules don't let that in.
    pub(super) fn refuses_empty(&self, value: &Value) -> bool {
        match value {
            Value::String(word) if word.is_empty() => {
                self.format == Some("date-time") || (!self.words.is_empty() && !self.words.contains(&""))
            }
            Value::Number(number) => number.as_i64() == Some(0) && self.minimum.is_some_and(|minimum| minimum > 0),
            _ => false,
        }
    }

    /// A field of an object.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        match &self.form {
            Form::Object(object) => object.fields.get(name),
            _ => None,
        }
    }

    /// Takes a type in as one part of the object: `spec` or `status`. Where Longhorn has no such part, its fields stand at
    /// the top.
    pub(super) fn take_part(&mut self, part: &'static str, shape: &'static Shape, clashes: &mut Vec<Clash>) {
        let Form::Object(object) = &mut self.form else { return };
        match object.fields.get_mut(part) {
            Some(found) => found.take(shape, part, clashes),
            None => self.take(shape, "", clashes),
        }
    }
}
