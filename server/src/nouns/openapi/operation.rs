//! One method at one address, or one action.

use aurochs_api::describe::{Described, Shape, Wire};
use aurochs_api::schema::ErrorBody;
use axum::http::Method;
use serde_json::{Value, json};

use super::components::Components;
use crate::nouns::noun::{ActionInfo, Noun, Output, Route};

pub(super) struct Operation {
    pub(super) path: String,
    /// In lower case.
    pub(super) method: &'static str,
    /// The noun it belongs to.
    pub(super) tag: Option<&'static str>,
    pub(super) id: String,
    pub(super) summary: String,
    pub(super) query: Option<&'static Shape>,
    pub(super) input: Option<Wire>,
    pub(super) output: Output,
}

/// Everything that can be asked of a noun.
pub(super) fn of_noun(noun: &Noun) -> Vec<Operation> {
    let mut found = Vec::new();
    for route in noun.routes() {
        if noun.is_dispatch(route) {
            let actions = noun.actions().iter().filter(|action| action.routed);
            found.extend(actions.map(|action| of_action(noun, &route.path, action)));
        } else {
            found.push(of_route(noun, route));
        }
    }
    found
}

fn of_action(noun: &Noun, path: &str, action: &ActionInfo) -> Operation {
    let output = match action.output {
        Wire::Nothing => Output::Empty,
        Wire::List(item) => Output::Many(*item),
        one => Output::One(one),
    };
    Operation {
        path: format!("{path}?action={}", action.name),
        method: "post",
        tag: Some(noun.id()),
        id: format!("{}.{}", noun.id(), action.name),
        summary: action.doc.trim().to_owned(),
        query: None,
        input: action.input.named().map(|_| action.input),
        output,
    }
}

fn of_route(noun: &Noun, route: &Route) -> Operation {
    let (verb, method) = verb(&route.method, matches!(route.output, Output::Many(_)));
    // What stands between and behind the parameters tells addresses of one method apart: `download`, `disktags`.
    let plural = noun.plural_name().to_lowercase();
    let fixed = route.path.split('/').skip(2).filter(|part| *part != plural && !part.starts_with('{'));
    let id = fixed.fold(format!("{}.{verb}", noun.id()), |id, part| format!("{id}.{part}"));
    Operation {
        path: route.path.clone(),
        method,
        tag: Some(noun.id()),
        summary: summary(verb, noun.id()),
        query: route.query,
        id,
        input: route.input,
        output: route.output,
    }
}

/// Word of the operation's id, and the method in lower case.
fn verb(method: &Method, many: bool) -> (&'static str, &'static str) {
    match (method.as_str(), many) {
        ("GET", true) => ("list", "get"),
        ("POST", _) => ("create", "post"),
        ("PUT", true) => ("updateAll", "put"),
        ("PUT", false) => ("update", "put"),
        ("DELETE", _) => ("delete", "delete"),
        _ => ("get", "get"),
    }
}

fn summary(verb: &str, noun: &str) -> String {
    match verb {
        "list" => format!("All of type {noun}."),
        "create" => format!("Makes one of type {noun}."),
        "update" => format!("Changes one of type {noun}."),
        "updateAll" => format!("Reads all of type {noun} again."),
        "delete" => format!("Deletes one of type {noun}."),
        _ => format!("One of type {noun}."),
    }
}

impl Operation {
    pub(super) fn describe(&self, components: &mut Components) -> Value {
        let path = self.path.split('?').next().unwrap_or_default();
        let mut parameters: Vec<Value> = path.split('/').filter_map(path_parameter).collect();
        let asked = self.query.map(Shape::wire_fields).unwrap_or_default();
        parameters.extend(asked.into_iter().map(|field| components.query_parameter(field)));
        let error = components.of(ErrorBody::WIRE);
        let refused = |description: &str| json!({ "description": description, "content": { "application/json": { "schema": error } } });
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": self.tag.into_iter().collect::<Vec<_>>(),
            "parameters": parameters,
            "responses": {
                "200": self.answer(components),
                "4XX": refused("Not done: message says why, detail what to do next."),
                "5XX": refused("Something that is needed does not answer; try again."),
            },
        });
        if let Some(input) = self.input {
            // Without a body all fields have their defaults.
            let schema = components.of(input);
            operation["requestBody"] = json!({ "content": { "application/json": { "schema": schema } } });
        }
        operation
    }

    fn answer(&self, components: &mut Components) -> Value {
        let schema = match self.output {
            Output::One(wire) => components.thing(wire),
            Output::Many(wire) => components.collection(wire),
            Output::Empty => return json!({ "description": "Done. The answer is empty." }),
            Output::Other => json!({}),
        };
        json!({ "description": "Done.", "content": { "application/json": { "schema": schema } } })
    }
}

fn path_parameter(part: &str) -> Option<Value> {
    let name = part.strip_prefix('{')?.strip_suffix('}')?;
    Some(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
}
