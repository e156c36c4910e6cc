//! Bodies for a type that is known by its schema alone: a good one, and everything that is wrong with it one by one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Bodies that are no object of fields at all.
const NO_OBJECTS: [&str; 10] =
    ["", "null", "[]", "[{}]", "true", "5", "\"text\"", "{", "{\"name\": ", "{\"a\": 1} trailing"];

#[derive(Clone)]
pub(super) struct Bodies {
    good: Map<String, Value>,
}

impl Bodies {
    /// Fields and their types, as the schema of `kind` has them.
    pub(super) fn new(kind: &str, fields: &BTreeMap<String, String>) -> Self {
        let good = fields.iter().map(|(name, word)| (name.clone(), good(kind, name, word))).collect();
        Self { good }
    }

    pub(super) fn all(self) -> Vec<String> {
        let whole = Value::Object(self.good.clone()).to_string();
        let mut bodies = vec![whole, "{}".to_owned()];
        bodies.extend(NO_OBJECTS.map(str::to_owned));
        bodies.push(format!("{}1{}", "[".repeat(300), "]".repeat(300)));
        bodies.push(json!({"unknown": {"deep": [1, 2, {"er": null}]}}).to_string());
        for name in self.good.keys() {
            for wrong in wrong_values() {
                let mut body = self.good.clone();
                body.insert(name.clone(), wrong);
                bodies.push(Value::Object(body).to_string());
            }
            let mut without = self.good.clone();
            without.remove(name);
            bodies.push(Value::Object(without).to_string());
            // Larger than any number that a program reads.
            let huge = Value::Object(self.good.clone()).to_string();
            let own = format!("{}:{}", json!(name), self.good[name]);
            bodies.push(huge.replace(&own, &format!("{}:1e400", json!(name))));
        }
        bodies
    }
}

fn wrong_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(""),
        json!(" "),
        json!("-1"),
        json!("99999999999999999999"),
        json!("ä\u{202e}💥\n\u{0}"),
        json!("../../etc/passwd"),
        json!("x".repeat(300)),
        json!([]),
        json!([null]),
        json!(["", 5]),
        json!({}),
        json!({"": {"": ""}}),
    ]
}

/// A value that fits, as far as a name and a type tell.
fn good(kind: &str, name: &str, word: &str) -> Value {
    match (kind, name) {
        ("diskUpdateInput", "disks") => json!({"disk-1": {"path": "/data/node-1", "allowScheduling": true}}),
        ("setting", "value") => json!("true"),
        (_, "hostId" | "nodeID") => json!("node-1"),
        (_, "size") => json!("1Gi"),
        // Twice the size is the least.
        (_, "snapshotMaxSize") => json!("2Gi"),
        (_, "numberOfReplicas" | "replicaCount") => json!(1),
        (_, "cron") => json!("@daily"),
        (_, "task") => json!("snapshot"),
        (_, "pollInterval") => json!("300"),
        (_, "snapshotMaxCount") => json!(100),
        (_, "name") => json!("good-name"),
        _ => match word {
            "bool" => json!(false),
            "int" | "float" => json!(0),
            word if word.starts_with("array") => json!([]),
            "string" => json!(""),
            _ => json!({}),
        },
    }
}
