//! Walks over everything that the API tells of itself, with what it is made for and with what nobody should send.
//!
//! Whatever is asked, the answer is 200 or a client's error in the one form of errors, and it comes. Every operation of
//! `/v1/openapi.json` has to be met on the way.

mod bodies;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aurochs_api::volume::{Robustness, VolumeState};
use aurochs_server::jobs::{Cancel, JobKind, NewJob, Outcome};
use aurochs_server::resources::engine_image::EngineImageSpec;
use aurochs_server::resources::node::NodeSpec;
use aurochs_server::resources::orphan::OrphanSpec;
use aurochs_server::resources::support_bundle::SupportBundleSpec;
use aurochs_server::resources::{EngineImage, InstanceManager, Node, Object, Orphan, SupportBundle, Volume};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use crate::harness::{Answer, Manager};
use bodies::Bodies;

const HOST: &str = "http://manager:9500";
/// Far more than any answer takes; only one that never comes meets it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests of one kind that are under way together.
const AT_ONCE: usize = 16;
/// Ids that nothing has, as they stand in an address.
const UNKNOWN_IDS: [&str; 6] = ["nothing", "%E2%98%83", "..%2F..%2Fetc", "%00", "a%20b", "-"];

struct Walk {
    manager: Manager,
    schemas: BTreeMap<String, Value>,
    /// Method and address of everything that was asked.
    asked: BTreeSet<(String, String)>,
    /// What this version does not have, in the words of its answers.
    missing: BTreeSet<String>,
    count: usize,
}

impl Walk {
    async fn start() -> Self {
        let manager = Manager::start().await;
        manager.app.auth.limit_requests(1_000_000);
        furnish(&manager).await;
        let schemas = manager.get("/v1/schemas").await.json()["data"].as_array().unwrap().clone();
        let schemas = schemas.into_iter().map(|schema| (schema["id"].as_str().unwrap().to_owned(), schema)).collect();
        Self { manager, schemas, asked: BTreeSet::new(), missing: BTreeSet::new(), count: 0 }
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let answer = self.answer(method, path, body).await;
        self.note(method, path, &answer);
        answer
    }

    /// The same request with many bodies, several of them at once.
    async fn ask_with(&mut self, method: &str, path: &str, bodies: Vec<String>) {
        let asked = stream::iter(&bodies).map(|body| self.answer(method, path, body));
        for answer in asked.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
            self.note(method, path, &answer);
        }
    }

    async fn answer(&self, method: &str, path: &str, body: &str) -> Answer {
        let answer = tokio::time::timeout(PATIENCE, self.manager.call(method, path, body)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method} {path} {body}: no answer"));
        let place = || format!("{method} {path} {}", body.chars().take(300).collect::<String>());
        let status = answer.status.as_u16();
        assert!(status == 200 || (400..500).contains(&status), "{}: {answer:?}", place());
        if status != 200 {
            check_error(&answer, &place());
        }
        answer
    }

    fn note(&mut self, method: &str, path: &str, answer: &Answer) {
        if answer.status != 200 {
            let message = answer.json()["message"].as_str().unwrap().to_owned();
            let missing = message.split_once("this version has no ").map(|(_, rest)| rest.trim_end_matches(" yet"));
            self.missing.extend(missing.map(str::to_owned));
        }
        self.asked.insert((method.to_lowercase(), path.to_owned()));
        self.count += 1;
    }

    /// The schema of a type, by its name in any case.
    fn schema(&self, id: &str) -> Option<&Value> {
        self.schemas.iter().find(|(known, _)| known.eq_ignore_ascii_case(id)).map(|(_, schema)| schema)
    }

    fn fields(&self, id: &str) -> BTreeMap<String, String> {
        let fields = self.schema(id).map(|schema| schema["resourceFields"].clone()).unwrap_or_default();
        let fields = fields.as_object().cloned().unwrap_or_default().into_iter();
        fields
            .filter(|(name, _)| !matches!(name.as_str(), "id" | "type" | "links" | "actions"))
            .map(|(name, field)| (name, field["type"].as_str().unwrap().to_owned()))
            .collect()
    }
}

fn check_error(answer: &Answer, place: &str) {
    let body = answer.json();
    assert_eq!((&body["type"], &body["status"]), (&json!("error"), &json!(answer.status.as_u16())), "{place}");
    for key in ["code", "message"] {
        assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{place}: {key} of {body}");
    }
    assert!(body["links"]["self"].as_str().is_some_and(|link| link.starts_with(HOST)), "{place}: {body}");
    assert_eq!(body["actions"], json!({}), "{place}");
}

fn has(schema: &Value, list: &str, method: &str) -> bool {
    schema[list].as_array().unwrap().iter().any(|word| word == method)
}

/// A thing of each kind that a client meets, and volumes in all states.
async fn furnish(manager: &Manager) {
    manager.add_node("node-1", 1 << 40).await;
    let tags = |node: &mut Object<Node>| node.spec = NodeSpec { tags: vec!["fast".to_owned()], ..node.spec.clone() };
    manager.store().modify::<Node>("node-1", tags).await.unwrap();
    for (name, state) in [
        ("attached", VolumeState::Attached),
        ("attaching", VolumeState::Attaching),
        ("detached", VolumeState::Detached),
        ("faulted", VolumeState::Detached),
        ("creating", VolumeState::Creating),
    ] {
        manager.add_volume(name, state).await;
    }
    let fault = |status: &mut aurochs_server::resources::volume::VolumeStatus| status.robustness = Robustness::Faulted;
    manager.store().modify_status::<Volume>("faulted", fault).await.unwrap();
    let store = manager.store();
    store.create(&Object::<Orphan>::new("orphan-1", OrphanSpec::default())).await.unwrap();
    store.create(&Object::<EngineImage>::new("ei-1", EngineImageSpec { image: "one".to_owned() })).await.unwrap();
    store.create(&Object::<SupportBundle>::new("bundle-1", SupportBundleSpec::default())).await.unwrap();
    let own = |status: &mut aurochs_server::resources::support_bundle::SupportBundleStatus| {
        status.owner_id = "node-1".to_owned();
    };
    store.modify_status::<SupportBundle>("bundle-1", own).await.unwrap();
    store.create(&Object::<InstanceManager>::new("im-1", Default::default())).await.unwrap();
    // One that runs on and can be cancelled, and one that has ended.
    let new = || NewJob { cancel: Cancel::Possible, ..NewJob::new(JobKind::Check, "detached", "a test") };
    manager.app.jobs.begin(NewJob { key: Some("walk".to_owned()), ..new() }).await;
    manager.app.jobs.begin(new()).await.finish(Outcome::Succeeded).await;
    let job = json!({"name": "nightly", "task": "snapshot", "cron": "@daily", "retain": 1});
    assert_eq!(manager.post("/v1/recurringjobs", job).await.status, 200);
}

/// The lists and everything in them; answers with the addresses of the things, by type.
async fn walk_reads(walk: &mut Walk) -> BTreeMap<String, Vec<String>> {
    let root = walk.ask("GET", "/v1", "").await.json();
    let listed: BTreeSet<String> =
        root["links"].as_object().unwrap().values().map(|link| link.as_str().unwrap().to_owned()).collect();
    let mut things: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, schema) in walk.schemas.clone() {
        let link = schema["links"]["collection"].as_str().unwrap();
        let path = link.strip_prefix(HOST).unwrap();
        let list = walk.ask("GET", path, "").await;
        assert_eq!(list.status == 200, listed.contains(link), "{id}: a list is linked when it is there");
        for unknown in UNKNOWN_IDS.into_iter().chain([&*"x".repeat(300)]).filter(|_| id != "schema") {
            let answer = walk.ask("GET", &format!("{path}/{unknown}"), "").await;
            assert_ne!(answer.status, 200, "{id} {unknown}");
        }
        if list.status != 200 {
            continue;
        }
        let list = list.json();
        assert_eq!(list["type"], "collection", "{id}");
        // The list of versions alone does not say what it lists, in Longhorn's API neither.
        assert!(id == "apiVersion" || list["resourceType"] == *id, "{id}");
        for thing in list["data"].as_array().unwrap() {
            let own = thing["links"]["self"].as_str().unwrap().strip_prefix(HOST).unwrap().to_owned();
            let read = walk.ask("GET", &own, "").await.json();
            assert_eq!((&read["id"], &read["type"]), (&thing["id"], &thing["type"]), "{own}");
            things.entry(id.clone()).or_default().push(own);
        }
    }
    things
}

async fn walk_methods(walk: &mut Walk, things: &BTreeMap<String, Vec<String>>) {
    for (id, schema) in walk.schemas.clone() {
        let collection = schema["links"]["collection"].as_str().unwrap().strip_prefix(HOST).unwrap().to_owned();
        let bodies = Bodies::new(&id, &walk.fields(&id));
        if has(&schema, "collectionMethods", "POST") {
            walk.ask_with("POST", &collection, bodies.clone().all()).await;
        }
        let unknown = format!("{collection}/nothing");
        let known = things.get(&id).and_then(|things| things.first()).cloned();
        if has(&schema, "resourceMethods", "PUT") {
            walk.ask_with("PUT", known.as_ref().unwrap_or(&unknown), bodies.clone().all()).await;
            walk.ask("PUT", &unknown, "{}").await;
        }
        if has(&schema, "resourceMethods", "DELETE") {
            assert_eq!(walk.ask("DELETE", &unknown, "").await.status, 404, "{unknown}");
        }
    }
}

async fn walk_actions(walk: &mut Walk, things: &BTreeMap<String, Vec<String>>) {
    for (id, schema) in walk.schemas.clone() {
        let actions = schema["resourceActions"].as_object().unwrap();
        let collection = schema["links"]["collection"].as_str().unwrap().strip_prefix(HOST).unwrap();
        let unknown = format!("{collection}/nothing");
        let mut targets = things.get(&id).cloned().unwrap_or_default();
        targets.push(unknown);
        for (name, action) in actions {
            let input = action.get("input").and_then(Value::as_str).unwrap_or_default();
            let bodies = Bodies::new(input, &walk.fields(input));
            for target in &targets {
                walk.ask_with("POST", &format!("{target}?action={name}"), bodies.clone().all()).await;
            }
        }
        if let (Some(target), false) = (targets.first(), actions.is_empty()) {
            for query in ["", "?action=", "?action=nothing", "?action=%00", "?action=attach&action=detach"] {
                walk.ask("POST", &format!("{target}{query}"), "{}").await;
            }
        }
    }
}

/// What Longhorn's schemas don't tell of.
async fn walk_hidden(walk: &mut Walk) {
    for path in
        ["/v1/disktags", "/v1/nodetags", "/v1/session", "/v1/openapi.json", "/v1/apiversions", "/v1/apiversions/v1"]
    {
        assert_eq!(walk.ask("GET", path, "").await.status, 200, "{path}");
    }
    for path in ["/v1/backuptargets", "/v1/backupvolumes"] {
        walk.ask_with("PUT", path, Bodies::new("syncBackupResource", &walk.fields("syncBackupResource")).all()).await;
    }
    let bundles = Bodies::new("supportBundleInitateInput", &walk.fields("supportBundleInitateInput"));
    walk.ask_with("POST", "/v1/supportbundles", bundles.all()).await;
    for bundle in
        ["/v1/supportbundles/node-1/bundle-1", "/v1/supportbundles/node-1/nothing", "/v1/supportbundles/x/bundle-1"]
    {
        walk.ask("GET", &format!("{bundle}/download"), "").await;
        walk.ask("DELETE", bundle, "").await;
    }
    walk.ask("GET", "/v1/backingimages/nothing/download", "").await;
    let of_backups = ["/v1/backupvolumes/data-default/files", "/v1/backupvolumes/nothing/files"];
    for files in ["/v1/volumes/attached/files", "/v1/volumes/nothing/files"].into_iter().chain(of_backups) {
        for query in [
            "",
            "?",
            "?snapshot=s",
            "?snapshot=s&path=/x",
            "?snapshot=s&path=..",
            "?backup=b",
            "?backup=b&path=/x",
            "?backup=..%2f..&path=..",
            "?path=%00",
            "?%ff=%ff",
            "?limit=0",
            "?limit=x",
            "?partition=-1",
        ] {
            for path in [format!("{files}{query}"), format!("{files}/content{query}")] {
                let answer = walk.ask("GET", &path, "").await;
                assert_ne!(answer.status, 200, "{path}: there is no engine, and no target");
            }
        }
    }
    walk_questions(walk).await;
}

/// Answers that depend on a query: each of its fields with what nobody should send.
async fn walk_questions(walk: &mut Walk) {
    let good = [
        ("/v1/whatif", "whatIfQuestion", "change=evictNode&node=node-1"),
        ("/v1/search", "searchQuestion", "q=node"),
        ("/v1/samples", "samplesQuestion", "volume=attached"),
        ("/v1/jobs", "jobQuestion", "limit=1"),
        ("/v1/audits", "auditQuestion", "limit=1"),
        ("/v1/schedule", "cronQuestion", "cron=@daily"),
    ];
    for (path, question, query) in good {
        assert_eq!(walk.ask("GET", &format!("{path}?{query}"), "").await.status, 200, "{path}?{query}");
        for query in ["", "?", "?=", "?&&", "?%00", "?%ff=%ff", "?unknown=1"] {
            walk.ask("GET", &format!("{path}{query}"), "").await;
        }
        walk.asked.insert(("get".to_owned(), path.to_owned()));
        for field in walk.fields(question).into_keys() {
            for value in
                ["", "-1", "1.5", "99999999999999999999", "1e400", "%00", "..%2F..", "%C3%A4%F0%9F%92%A5", "%5B%5D"]
            {
                walk.ask("GET", &format!("{path}?{query}&{field}={value}"), "").await;
            }
            walk.ask("GET", &format!("{path}?{query}&{field}={}", "x".repeat(5000)), "").await;
        }
    }
    let changes = walk.manager.get("/v1/openapi.json").await.json()["paths"]["/v1/whatif"]["get"]["parameters"].clone();
    for change in changes[0]["schema"]["enum"].as_array().unwrap() {
        for object in
            ["", "&node=node-1", "&node=node-1&disk=nothing", "&volume=attached", "&volume=faulted&replicaCount=9"]
        {
            walk.ask("GET", &format!("/v1/whatif?change={}{object}", change.as_str().unwrap()), "").await;
        }
    }
}

/// Last of all, everything is deleted.
async fn walk_deletions(walk: &mut Walk, things: BTreeMap<String, Vec<String>>) {
    for path in things.into_values().flatten().filter(|path| !path.starts_with("/v1/schemas")) {
        walk.ask("DELETE", &path, "").await;
    }
}

/// Whether an address is one of a pattern: `/v1/volumes/{name}?action=attach`.
fn fits(pattern: &str, address: &str) -> bool {
    let (pattern, pattern_query) = pattern.split_once('?').unwrap_or((pattern, ""));
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let (wanted, found): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    let same = |(wanted, found): (&&str, &&str)| wanted.starts_with('{') || wanted == found;
    pattern_query == query && wanted.len() == found.len() && wanted.iter().zip(&found).all(same)
}

#[tokio::test]
async fn whatever_is_asked_the_answer_is_good_or_a_clear_refusal() {
    let mut walk = Walk::start().await;
    let things = walk_reads(&mut walk).await;
    for kind in
        ["job", "volume", "node", "setting", "recurringJob", "backupTarget", "orphan", "engineImage", "supportBundle"]
    {
        assert!(things.contains_key(kind), "{kind} is missing in the walk");
    }
    walk_methods(&mut walk, &things).await;
    walk_actions(&mut walk, &things).await;
    walk_hidden(&mut walk).await;
    walk_deletions(&mut walk, things).await;

    let document = walk.manager.get("/v1/openapi.json").await.json();
    for (pattern, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let met = walk.asked.iter().any(|(asked, address)| asked == method && fits(pattern, address));
            assert!(met, "{method} {pattern} was never asked");
        }
    }
    for missing in ["v2 data engine", "Kubernetes mode"] {
        assert!(walk.missing.contains(missing), "{missing} is not named: {:?}", walk.missing);
    }
    assert!(walk.count > 3000, "only {} requests", walk.count);
}
