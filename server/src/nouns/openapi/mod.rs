//! `/v1/openapi.json`: the API for tools that know no Longhorn. It tells what is really sent, where `/v1/schemas` keeps
//! Longhorn's words.
//!
//! Each action of a thing is an operation of its own, at the address with the action in its query
//! (`/v1/volumes/{name}?action=attach`). OpenAPI knows no such paths, but everything that reads it joins texts, and one
//! operation with any of forty bodies would tell nobody which body goes with which action.

mod components;
mod operation;

use std::collections::BTreeMap;

use aurochs_api::describe::{Described, Shaped};
use aurochs_api::recurring_job::{CronMeaning, CronQuestion};
use aurochs_api::session::Session;
use serde_json::{Map, Value, json};

use super::noun::{Noun, Output};
use components::Components;
use operation::Operation;

/// The document, for a client that knows us at `base`.
#[must_use]
pub fn document(nouns: &[Noun], base: &str) -> Value {
    let mut components = Components::new();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for operation in nouns.iter().flat_map(operation::of_noun).chain(general()) {
        let described = operation.describe(&mut components);
        paths.entry(operation.path).or_default().insert(operation.method.to_owned(), described);
    }
    let tags: Vec<Value> = nouns.iter().map(|noun| json!({ "name": noun.id() })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Aurochs",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Replicated block storage. Longhorn's API, with more in it.",
        },
        "servers": [{ "url": if base.is_empty() { "/" } else { base } }],
        "security": [{ "basic": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": components.schemas(),
            "securitySchemes": { "basic": { "type": "http", "scheme": "basic" } },
        },
    })
}

/// What belongs to no noun.
fn general() -> impl Iterator<Item = Operation> {
    let read = |path: &str, id: &str, summary: &str, output: Output| Operation {
        path: path.to_owned(),
        method: "get",
        tag: None,
        id: id.to_owned(),
        summary: summary.to_owned(),
        query: None,
        input: None,
        output,
    };
    [
        read("/v1", "root.get", "The address of each collection.", Output::Other),
        read("/v1/apiversions", "apiVersion.list", "The versions of the API.", Output::Other),
        read("/v1/apiversions/v1", "apiVersion.get", "The one version.", Output::Other),
        read("/v1/openapi.json", "openapi.get", "This document.", Output::Other),
        Operation {
            query: Some(CronQuestion::shape()),
            ..read(
                "/v1/schedule",
                "schedule.get",
                "What a cron would mean: in words, and its next times. Nothing is stored.",
                Output::One(CronMeaning::WIRE),
            )
        },
        read("/v1/session", "session.get", "Who is logged in, and where.", Output::One(Session::WIRE)),
    ]
    .into_iter()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all_operations(document: &Value) -> Vec<(&str, &Value)> {
        let paths = document["paths"].as_object().unwrap().iter();
        paths
            .flat_map(|(path, methods)| methods.as_object().unwrap().values().map(move |one| (path.as_str(), one)))
            .collect()
    }

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
    fn an_action_is_an_operation_with_its_body_and_its_answer() {
        let document = document(super::super::all(), "");
        let operation = &document["paths"]["/v1/nodes/{name}?action=diskUpdate"]["post"];
        assert_eq!(operation["operationId"], "node.diskUpdate");
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body["$ref"], "#/components/schemas/diskUpdateInput");
        let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(answer["allOf"][1]["$ref"], "#/components/schemas/node");
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["diskUpdateInput"]["properties"]["disks"]["type"], "object");
        assert_eq!(schemas["diskUpdate"]["properties"]["storageReserved"]["type"], "integer");
    }

    #[test]
    fn every_route_and_every_action_is_told_once() {
        let document = document(super::super::all(), "");
        let told = all_operations(&document);
        let ids: BTreeSet<&str> =
            told.iter().map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), told.len());
        for noun in super::super::all() {
            for action in noun.handled_actions() {
                assert!(ids.contains(format!("{}.{action}", noun.id()).as_str()), "{}.{action}", noun.id());
            }
            for route in noun.routes().iter().filter(|route| !noun.is_dispatch(route)) {
                let method = route.method.as_str().to_lowercase();
                assert!(document["paths"][&route.path][method].is_object(), "{} {}", route.method, route.path);
            }
        }
    }

    /// Those of no noun, too; the streams are no operations.
    #[test]
    fn every_address_of_the_router_is_told() {
        let document = document(super::super::all(), "");
        for (method, path) in crate::router::table().entries() {
            if !path.starts_with("/v1") || path.starts_with("/v1/ws/") {
                continue;
            }
            let of_path = |told: &&String| told.split('?').next() == Some(path.as_str());
            let told = document["paths"].as_object().unwrap();
            let method = method.as_str().to_lowercase();
            assert!(told.keys().filter(of_path).any(|path| told[path][&method].is_object()), "{method} {path}");
        }
        let of_jobs = document["paths"]["/v1/jobs"]["get"]["parameters"].as_array().unwrap();
        assert!(of_jobs.iter().any(|parameter| parameter["name"] == "marker"), "{of_jobs:?}");
    }

    #[test]
    fn parameters_of_addresses_are_told() {
        let document = document(super::super::all(), "");
        for (path, operation) in all_operations(&document) {
            let wanted = path.matches('{').count();
            let parameters = operation["parameters"].as_array().unwrap();
            let of_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
            assert_eq!(of_path.count(), wanted, "{path}");
        }
    }
}
