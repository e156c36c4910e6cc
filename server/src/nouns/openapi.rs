//! `/v1/openapi.json`: the API for tools that know no Longhorn. It tells what is really sent, where `/v1/schemas` keeps
//! Longhorn's words.
//!
//! The actions of a thing share one address; they are one operation with the action in its query and any of their bodies.

use std::collections::BTreeMap;

use aurochs_api::describe::{Described, Field, Shape, Wire};
use aurochs_api::schema::ErrorBody;
use serde_json::{Map, Value, json};

use super::noun::{Noun, Output, Route};

/// The document, for a client that knows us at `base`.
#[must_use]
pub fn document(nouns: &[Noun], base: &str) -> Value {
    let mut components = Components::default();
    components.of(ErrorBody::WIRE);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for noun in nouns {
        for route in noun.routes() {
            let operation = operation(noun, route, &mut components);
            paths.entry(&route.path).or_default().insert(route.method.as_str().to_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Aurochs", "version": env!("CARGO_PKG_VERSION") },
        "servers": [{ "url": if base.is_empty() { "/" } else { base } }],
        "security": [{ "basic": [] }],
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "securitySchemes": { "basic": { "type": "http", "scheme": "basic" } },
        },
    })
}

fn operation(noun: &Noun, route: &Route, components: &mut Components) -> Value {
    let mut parameters: Vec<Value> = route.path.split('/').filter_map(path_parameter).collect();
    let mut bodies: Vec<Value> = route.input.map(|wire| components.of(wire)).into_iter().collect();
    let dispatches =
        route.method == axum::http::Method::POST && !route.advertised && !noun.handled_actions().is_empty();
    if dispatches {
        let actions = noun.handled_actions();
        parameters.push(json!({
            "name": "action", "in": "query", "required": true, "schema": { "type": "string", "enum": actions },
        }));
        let inputs = noun.actions().iter().filter(|action| action.routed && action.input.named().is_some());
        bodies.extend(inputs.map(|action| components.of(action.input)));
    }
    let answer = match route.output {
        Output::One(wire) => components.of(wire),
        Output::Many(_) | Output::Empty | Output::Other => json!({}),
    };
    let mut operation = json!({
        "tags": [noun.id()],
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done.", "content": { "application/json": { "schema": answer } } },
            "4XX": {
                "description": "Not done: message says why, detail what to do next.",
                "content": { "application/json": { "schema": components.of(ErrorBody::WIRE) } },
            },
        },
    });
    let body = match bodies.len() {
        0 => return operation,
        1 => bodies.remove(0),
        _ => json!({ "anyOf": bodies }),
    };
    operation["requestBody"] = json!({ "content": { "application/json": { "schema": body } } });
    operation
}

fn path_parameter(part: &str) -> Option<Value> {
    let name = part.strip_prefix('{')?.strip_suffix('}')?;
    Some(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
}

/// The shapes that were spoken of.
#[derive(Default)]
struct Components {
    schemas: BTreeMap<&'static str, Value>,
}

impl Components {
    fn of(&mut self, wire: Wire) -> Value {
        match wire {
            Wire::Nothing | Wire::Any => json!({}),
            Wire::Text => json!({ "type": "string" }),
            Wire::Integer => json!({ "type": "integer" }),
            Wire::Float => json!({ "type": "number" }),
            Wire::Bool => json!({ "type": "boolean" }),
            Wire::Named(shape) => self.reference(shape()),
            Wire::List(item) => json!({ "type": "array", "items": self.of(*item) }),
            Wire::Map(value) => json!({ "type": "object", "additionalProperties": self.of(*value) }),
            Wire::Nullable(inner) => json!({ "anyOf": [self.of(*inner), { "type": "null" }] }),
        }
    }

    fn reference(&mut self, shape: &'static Shape) -> Value {
        if !self.schemas.contains_key(shape.id) {
            // Known before its fields are looked at: one of them may lead back here.
            self.schemas.insert(shape.id, Value::Null);
            let fields = shape.wire_fields();
            let properties: Map<String, Value> =
                fields.iter().map(|field| (field.name.to_owned(), self.property(field))).collect();
            let described = json!({ "type": "object", "description": shape.doc, "properties": properties });
            self.schemas.insert(shape.id, described);
        }
        json!({ "$ref": format!("#/components/schemas/{}", shape.id) })
    }

    fn property(&mut self, field: &Field) -> Value {
        let mut property = self.of(field.wire);
        if matches!(field.wire, Wire::Text) && !field.options.is_empty() {
            property["enum"] = json!(field.options);
        }
        if !field.doc.is_empty() {
            property["description"] = json!(field.doc);
        }
        property
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document(super::super::all(), "http://m");
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.iter().any(|name| name.ends_with("/node")));
        for name in found {
            let path = name.trim_start_matches('#');
            assert!(document.pointer(path).is_some_and(Value::is_object), "{name}");
        }
    }

    #[test]
    fn an_action_is_in_the_query_with_its_body() {
        let document = document(super::super::all(), "");
        let operation = &document["paths"]["/v1/nodes/{name}"]["post"];
        assert_eq!(operation["parameters"][1]["schema"]["enum"], json!(["diskUpdate"]));
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body["$ref"], "#/components/schemas/diskUpdateInput");
        let disks = &document["components"]["schemas"]["diskUpdateInput"]["properties"]["disks"];
        assert_eq!(disks["type"], "object");
        assert_eq!(document["components"]["schemas"]["diskUpdate"]["properties"]["storageReserved"]["type"], "integer");
    }
}
