//! `/v1/schemas` against what is known of Longhorn's: clients make their methods from it.
//!
//! `longhorn_schemas.txt` has all of Longhorn's types, `schemas_missing.txt` what of them is not here yet; a type, field
//! or action that comes must leave that list, so that it stays true.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use serde_json::Value;

use crate::harness::Manager;

const LONGHORN: &str = include_str!("longhorn_schemas.txt");
const MISSING: &str = include_str!("schemas_missing.txt");

/// Fields that Longhorn does not have.
const OUR_FIELDS: &[&str] = &[
    "backingImage.causes",
    "backup.causes",
    "backup.doneBytes",
    "backup.plannedBytes",
    "backupTarget.causes",
    "backupTarget.credentialKeys",
    "backupTarget.lastSyncedAt",
    "backupVolume.causes",
    "diskInfo.causes",
    "diskInfo.filesystemType",
    "engineImage.causes",
    "instanceManager.causes",
    "instanceProcess.address",
    "instanceProcess.error",
    "instanceProcess.pid",
    "instanceProcess.state",
    "node.annotations",
    "node.causes",
    "node.cordoned",
    "node.environment",
    "node.frontends",
    "node.labels",
    "orphan.causes",
    "rebuildStatus.bytesPerSecond",
    "rebuildStatus.doneBytes",
    "rebuildStatus.plannedBytes",
    "recurringJob.lastRun",
    "recurringJob.nextRuns",
    "recurringJob.run",
    "recurringJob.schedule",
    "recurringJob.timeZone",
    "setting.causes",
    "snapshot.imageMissing",
    "snapshotCR.causes",
    "supportBundle.causes",
    "systemBackup.causes",
    "systemBackup.doneBytes",
    "systemBackup.plannedBytes",
    "systemRestore.causes",
    "volume.causes",
    "volume.frontendInUse",
    "volume.frontendReason",
    "volume.instantRestore",
    "volume.nbdUri",
    "volume.remoteSize",
    "volume.snapshots",
];

/// Actions that Longhorn does not have.
const OUR_ACTIONS: &[&str] =
    &["backupTarget.backupTargetTest", "backupVolume.backupVerify", "recurringJob.recurringJobRun"];

/// Inputs that Longhorn's actions name by a name that no type has.
const NAMES_WITHOUT_A_TYPE: &[&str] = &["ReplicaAutoBalance", "UpdateBackupCompressionMethodInput"];

/// A type as the file tells it.
#[derive(Default)]
struct Wanted {
    collection: Vec<String>,
    resource: Vec<String>,
    /// Name to type and flags.
    fields: BTreeMap<String, (String, BTreeSet<String>)>,
    /// Name to input and output, empty for none.
    actions: BTreeMap<String, (String, String)>,
}

fn longhorns() -> BTreeMap<String, Wanted> {
    let mut types: BTreeMap<String, Wanted> = BTreeMap::new();
    let mut current = String::new();
    for line in LONGHORN.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let methods = |word: &str| word.split(',').map(str::to_owned).collect();
        if !line.starts_with(' ') {
            current.clone_from(&words[0]);
            let wanted = Wanted { collection: methods(&words[1]), resource: methods(&words[2]), ..Wanted::default() };
            types.insert(current.clone(), wanted);
            continue;
        }
        let wanted = types.get_mut(&current).unwrap();
        if words[0] == "!" {
            let kind = |word: &String| if word == "-" { String::new() } else { word.clone() };
            wanted.actions.insert(words[1].clone(), (kind(&words[2]), kind(&words[3])));
        } else {
            wanted.fields.insert(words[0].clone(), (words[1].clone(), words[2..].iter().cloned().collect()));
        }
    }
    types
}

async fn ours() -> BTreeMap<String, Value> {
    let manager = Manager::start().await;
    let answer = manager.get("/v1/schemas").await;
    assert_eq!(answer.status, StatusCode::OK);
    let schemas = answer.json()["data"].as_array().unwrap().clone();
    let count = schemas.len();
    let by_id: BTreeMap<String, Value> =
        schemas.into_iter().map(|schema| (schema["id"].as_str().unwrap().to_owned(), schema)).collect();
    assert_eq!(by_id.len(), count, "a type is told twice");
    by_id
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// The flags of a field, as the file writes them.
fn flags(field: &Value) -> BTreeSet<String> {
    let flags = field.as_object().unwrap().iter().filter(|(name, _)| *name != "type");
    flags
        .map(|(name, value)| match value {
            Value::Bool(true) => name.clone(),
            value => format!("{name}={}", value.as_str().unwrap()),
        })
        .collect()
}

#[tokio::test]
async fn types_that_are_served_are_longhorns() {
    let (longhorns, ours) = (longhorns(), ours().await);
    let mut missing = Vec::new();
    for (id, wanted) in &longhorns {
        let Some(schema) = ours.get(id) else {
            missing.push(format!("type {id}"));
            continue;
        };
        assert_eq!(words(&schema["collectionMethods"]), wanted.collection, "{id}");
        assert_eq!(words(&schema["resourceMethods"]), wanted.resource, "{id}");
        for (name, (kind, wanted_flags)) in &wanted.fields {
            let place = format!("{id}.{name}");
            match schema["resourceFields"].get(name) {
                Some(field) => {
                    assert_eq!((&field["type"], &flags(field)), (&Value::from(kind.as_str()), wanted_flags), "{place}")
                }
                None => missing.push(format!("field {place}")),
            }
        }
        for (name, (input, output)) in &wanted.actions {
            let place = format!("{id}.{name}");
            match schema["resourceActions"].get(name) {
                Some(action) => {
                    let told = |key: &str| action.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                    assert_eq!((told("input"), told("output")), (input.clone(), output.clone()), "{place}");
                }
                None => missing.push(format!("action {place}")),
            }
        }
    }
    missing.sort_unstable();
    assert_eq!(missing, MISSING.lines().collect::<Vec<_>>(), "what is missing");
}

#[tokio::test]
async fn what_longhorn_does_not_have_is_known() {
    let (longhorns, ours) = (longhorns(), ours().await);
    let header = ["id", "type", "links", "actions"];
    let mut found = Vec::new();
    for (id, schema) in &ours {
        let Some(wanted) = longhorns.get(id) else { continue };
        let extra = keys(&schema["resourceFields"]).into_iter();
        let extra = extra.filter(|name| !header.contains(name) && !wanted.fields.contains_key(*name));
        found.extend(extra.map(|name| format!("{id}.{name}")));
        let is_known =
            |name: &&str| wanted.actions.contains_key(*name) || OUR_ACTIONS.contains(&format!("{id}.{name}").as_str());
        assert!(keys(&schema["resourceActions"]).iter().all(is_known), "{id}");
    }
    assert_eq!(found, OUR_FIELDS);
}

#[tokio::test]
async fn a_type_has_the_form_that_clients_read() {
    let manager = Manager::start().await;
    let schema = manager.get("/v1/schemas/NODE").await.json();
    assert_eq!(schema["id"], "node");
    assert_eq!(schema["type"], "schema");
    assert_eq!(schema["pluralName"], "nodes");
    assert_eq!(schema["links"]["self"], "http://manager:9500/v1/schemas/node");
    assert_eq!(schema["links"]["collection"], "http://manager:9500/v1/nodes");
    assert_eq!(schema["resourceFields"]["zone"], serde_json::json!({"type": "string"}));
    assert_eq!(schema["resourceFields"]["links"], serde_json::json!({"type": "map[string]"}));
    assert_eq!(
        schema["resourceActions"]["diskUpdate"],
        serde_json::json!({"input": "diskUpdateInput", "output": "node"})
    );
    let unknown = manager.get("/v1/schemas/nothing").await;
    assert_eq!(
        (unknown.status, &unknown.json()["id"]),
        (StatusCode::OK, &Value::from("")),
        "Longhorn's answer to any name"
    );
}

/// Every type that a field or an action names is described, but for Go's own names.
#[tokio::test]
async fn every_named_type_is_described() {
    let ours = ours().await;
    // Types are found in any case; Longhorn itself writes one of its names in the wrong one.
    let named = |kind: &str| ours.keys().any(|id| id.eq_ignore_ascii_case(kind));
    let known = |kind: &str| {
        let inner = kind.trim_start_matches("array[").trim_start_matches("map[").trim_end_matches(']');
        let plain = matches!(inner, "string" | "int" | "bool" | "float");
        plain || inner.contains('.') || NAMES_WITHOUT_A_TYPE.contains(&inner) || named(inner)
    };
    for (id, schema) in &ours {
        for (name, field) in schema["resourceFields"].as_object().unwrap() {
            assert!(known(field["type"].as_str().unwrap()), "{id}.{name}: {field}");
        }
        for (name, action) in schema["resourceActions"].as_object().unwrap() {
            assert!(action.as_object().unwrap().values().all(|kind| known(kind.as_str().unwrap())), "{id}.{name}");
        }
    }
}

#[tokio::test]
async fn the_root_links_every_collection() {
    let manager = Manager::start().await;
    let links = manager.get("/v1").await.json()["links"].clone();
    for (plural, path) in [("volumes", "volumes"), ("instanceManagers", "instancemanagers"), ("schemas", "schemas")] {
        assert_eq!(links[plural], format!("http://manager:9500/v1/{path}"));
    }
    for (name, link) in links.as_object().unwrap() {
        let path = link.as_str().unwrap().strip_prefix("http://manager:9500").unwrap();
        assert_eq!(manager.get(path).await.status, StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn openapi_is_served() {
    let manager = Manager::start().await;
    let document = manager.get("/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "http://manager:9500");
    assert!(document["paths"]["/v1/nodes/{name}"]["put"]["requestBody"].is_object());
}
