//! `/v1/schemas`: the types as clients learn them. Python's and Go's Longhorn clients make their methods from this.
//!
//! Longhorn's words and oddities are kept: every type has the header's fields, a collection link and `GET` in both lists
//! of methods, inputs too.

use std::collections::BTreeMap;

use aurochs_api::describe::{Described, Field, Flags, Shape};
use serde::Serialize;

use super::noun::{ActionInfo, Noun};
use crate::view::envelope::plural;

/// A type as it goes to clients.
#[derive(Debug, Described, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    id: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    links: BTreeMap<&'static str, String>,
    actions: BTreeMap<String, String>,
    plural_name: String,
    resource_methods: Vec<&'static str>,
    collection_methods: Vec<&'static str>,
    resource_fields: BTreeMap<&'static str, FieldSchema>,
    resource_actions: BTreeMap<&'static str, ActionSchema>,
}

/// Flags that are off are left out.
#[derive(Debug, Default, Described, Serialize)]
struct FieldSchema {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'static str>,
    #[serde(skip_serializing_if = "is_off")]
    create: bool,
    #[serde(skip_serializing_if = "is_off")]
    update: bool,
    #[serde(skip_serializing_if = "is_off")]
    required: bool,
    #[serde(skip_serializing_if = "is_off")]
    unique: bool,
    #[serde(skip_serializing_if = "is_off")]
    nullable: bool,
}

#[derive(Debug, Described, Serialize)]
struct ActionSchema {
    #[serde(skip_serializing_if = "String::is_empty")]
    input: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    output: String,
}

aurochs_api::actions! { Schema {} }

/// The version of the API, whose links lead to the collections.
#[derive(Debug, Described)]
pub struct ApiVersion {}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_off(flag: &bool) -> bool {
    !*flag
}

/// All types, for a client that knows us at `base`: nouns, and what they are made of.
#[must_use]
pub fn all(nouns: &[Noun], base: &str) -> Vec<Schema> {
    let mut found = Found::default();
    for noun in nouns {
        found.add(of_noun(noun, base));
    }
    for noun in nouns {
        let parts = std::iter::once(noun.shape()).chain(noun.companions());
        parts.for_each(|shape| found.add_parts(shape, base));
        for action in noun.actions() {
            [action.input, action.output].iter().filter_map(|wire| wire.named()).for_each(|shape| {
                found.add(of_shape(shape.id, shape, base));
                found.add_parts(shape, base);
            });
        }
        for shape in noun.companions() {
            found.add(of_shape(shape.id, shape, base));
        }
    }
    found.schemas
}

/// One type; its name in any case.
#[must_use]
pub fn one(nouns: &[Noun], id: &str, base: &str) -> Option<Schema> {
    all(nouns, base).into_iter().find(|schema| schema.id.eq_ignore_ascii_case(id))
}

/// The first of each name counts.
#[derive(Default)]
struct Found {
    schemas: Vec<Schema>,
}

impl Found {
    /// Whether it is new.
    fn add(&mut self, schema: Schema) -> bool {
        let new = self.schemas.iter().all(|known| known.id != schema.id);
        if new {
            self.schemas.push(schema);
        }
        new
    }

    /// The types of the fields, by the names that the fields give them.
    fn add_parts(&mut self, shape: &'static Shape, base: &str) {
        for field in shape.wire_fields() {
            let Some(part) = field.wire.named() else { continue };
            let Some(id) = field.schema_type.map_or(Some(part.id), described_name) else { continue };
            if self.add(of_shape(id, part, base)) {
                self.add_parts(part, base);
            }
        }
    }
}

/// `nodeCondition` of `map[nodeCondition]`; none for plain values and for Go's names, which have no schema.
fn described_name(schema_type: &'static str) -> Option<&'static str> {
    let inner = schema_type.strip_prefix("array[").or_else(|| schema_type.strip_prefix("map["));
    let name = inner.and_then(|inner| inner.strip_suffix(']')).unwrap_or(schema_type);
    (!matches!(name, "string" | "int" | "float" | "bool") && !name.contains('.')).then_some(name)
}

fn of_noun(noun: &Noun, base: &str) -> Schema {
    let described = of_shape(noun.id(), noun.shape(), base);
    let own_actions = noun.actions().iter().map(|action| (action.name, action_schema(action)));
    let resource_actions = own_actions.collect();
    Schema {
        resource_methods: noun.resource_methods(),
        collection_methods: noun.collection_methods(),
        resource_actions,
        ..described
    }
}

fn of_shape(id: &'static str, shape: &'static Shape, base: &str) -> Schema {
    let fields = shape
        .wire_fields()
        .into_iter()
        .map(|field: &'static Field| (field.name, field_schema(field.schema_type(), field.flags, field.default)));
    let mut schema = empty(id, base);
    schema.resource_fields.extend(fields);
    schema
}

/// A type with the header's fields alone.
fn empty(id: &'static str, base: &str) -> Schema {
    let plural_url = plural(id);
    let ending = if plural_url.len() - id.len() == 2 { "es" } else { "s" };
    let header = [("id", "string"), ("type", "string"), ("links", "map[string]"), ("actions", "map[string]")];
    Schema {
        id,
        kind: "schema",
        links: [("self", format!("{base}/v1/schemas/{id}")), ("collection", format!("{base}/v1/{plural_url}"))].into(),
        actions: BTreeMap::new(),
        plural_name: format!("{id}{ending}"),
        resource_methods: vec!["GET"],
        collection_methods: vec!["GET"],
        resource_fields: header
            .into_iter()
            .map(|(name, kind)| (name, field_schema(kind.to_owned(), Flags::NONE, None)))
            .collect(),
        resource_actions: BTreeMap::new(),
    }
}

fn field_schema(kind: String, flags: Flags, default: Option<&'static str>) -> FieldSchema {
    let Flags { create, update, required, unique, nullable, ours: _ } = flags;
    FieldSchema { kind, default, create, update, required, unique, nullable }
}

fn action_schema(action: &ActionInfo) -> ActionSchema {
    let word = |own: Option<&'static str>, wire: aurochs_api::describe::Wire| {
        own.map_or_else(|| wire.schema_type(), str::to_owned)
    };
    ActionSchema { input: word(action.schema_input, action.input), output: word(action.schema_output, action.output) }
}
