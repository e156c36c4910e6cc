//! Types as JSON schemas, by reference.

use std::collections::BTreeMap;

use aurochs_api::describe::{Field, Shape, Wire};
use serde_json::{Map, Value, json};

/// Header of every thing.
const RESOURCE: &str = "resource";
/// Header of every list.
const COLLECTION: &str = "collection";

/// The types that were spoken of.
pub(super) struct Components {
    schemas: BTreeMap<&'static str, Value>,
}

impl Components {
    /// With the two headers.
    pub(super) fn new() -> Self {
        let links = json!({ "type": "object", "additionalProperties": { "type": "string" } });
        let resource = json!({
            "type": "object",
            "description": "Header of every thing.",
            "required": ["id", "type", "links", "actions"],
            "properties": {
                "id": { "type": "string" },
                "type": { "type": "string" },
                "links": links,
                "actions": {
                    "type": "object",
                    "description": "What can be done with it now, and the address to POST to.",
                    "additionalProperties": { "type": "string" },
                },
            },
        });
        let collection = json!({
            "type": "object",
            "description": "Header of every list.",
            "required": ["type", "links", "data"],
            "properties": {
                "type": { "type": "string", "const": "collection" },
                "resourceType": { "type": "string" },
                "links": links,
                "createTypes": links,
                "pagination": {
                    "type": "object",
                    "description": "Where only a part is answered.",
                    "properties": {
                        "limit": { "type": "integer" },
                        "partial": { "type": "boolean" },
                        "next": { "type": "string" },
                    },
                },
                "data": { "type": "array" },
            },
        });
        Self { schemas: [(RESOURCE, resource), (COLLECTION, collection)].into() }
    }

    pub(super) fn schemas(self) -> BTreeMap<&'static str, Value> {
        self.schemas
    }

    /// A thing with its header.
    pub(super) fn thing(&mut self, wire: Wire) -> Value {
        json!({ "allOf": [reference(RESOURCE), self.of(wire)] })
    }

    /// A list of things.
    pub(super) fn collection(&mut self, wire: Wire) -> Value {
        let data = json!({ "properties": { "data": { "type": "array", "items": self.thing(wire) } } });
        json!({ "allOf": [reference(COLLECTION), data] })
    }

    /// A JSON form.
    pub(super) fn of(&mut self, wire: Wire) -> Value {
        match wire {
            Wire::Nothing | Wire::Any => json!({}),
            Wire::Text => json!({ "type": "string" }),
            Wire::Integer => json!({ "type": "integer" }),
            Wire::Float => json!({ "type": "number" }),
            Wire::Bool => json!({ "type": "boolean" }),
            Wire::Named(shape) => self.shape(shape()),
            Wire::List(item) => json!({ "type": "array", "items": self.of(*item) }),
            Wire::Map(value) => json!({ "type": "object", "additionalProperties": self.of(*value) }),
            Wire::Nullable(inner) => json!({ "anyOf": [self.of(*inner), { "type": "null" }] }),
        }
    }

    fn shape(&mut self, shape: &'static Shape) -> Value {
        if !self.schemas.contains_key(shape.id) {
            // Known before its fields are looked at: one of them may lead back here.
            self.schemas.insert(shape.id, Value::Null);
            let fields = shape.wire_fields();
            let properties: Map<String, Value> =
                fields.iter().map(|field| (field.name.to_owned(), self.property(field))).collect();
            let described = json!({ "type": "object", "description": shape.doc, "properties": properties });
            self.schemas.insert(shape.id, described);
        }
        reference(shape.id)
    }

    /// A field as it stands behind the question mark. One that may be null is left out there.
    pub(super) fn query_parameter(&mut self, field: &'static Field) -> Value {
        let mut schema = match field.wire {
            Wire::Nullable(inner) => self.of(*inner),
            wire => self.of(wire),
        };
        if !field.options.is_empty() {
            schema["enum"] = json!(field.options);
        }
        json!({ "name": field.name, "in": "query", "description": field.doc, "schema": schema })
    }

    fn property(&mut self, field: &Field) -> Value {
        let mut property = self.of(field.wire);
        if matches!(field.wire, Wire::Text) && !field.options.is_empty() {
            property["enum"] = json!(field.options);
        }
        if let Some(default) = field.default {
            property["default"] = default_value(field.wire, default);
        }
        if !field.doc.is_empty() {
            property["description"] = json!(field.doc);
        }
        property
    }
}

fn reference(id: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{id}") })
}

/// Longhorn's schemas have defaults as texts, whatever the type is.
fn default_value(wire: Wire, text: &str) -> Value {
    match wire {
        Wire::Integer | Wire::Float | Wire::Bool => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        _ => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::describe::Described;
    use aurochs_api::volume::Volume;

    use super::*;

    #[test]
    fn defaults_have_the_type_of_their_field() {
        let mut components = Components::new();
        components.of(Volume::WIRE);
        let properties = &components.schemas["volume"]["properties"];
        assert_eq!(properties["numberOfReplicas"]["default"], 2);
        assert_eq!(properties["standby"]["default"], false);
        assert_eq!(properties["size"]["default"], "100G");
        let states = properties["state"]["enum"].as_array().unwrap();
        assert!(states.contains(&json!("attached")), "{states:?}");
    }
}
