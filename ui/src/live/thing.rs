//! A resource as JSON, for what only some pages show: read by path, with the header of Longhorn's API.

use std::sync::Arc;

use aurochs_api::cause::Cause;
use aurochs_api::size::ByteSize;
use serde_json::Value;

use crate::clock;

/// Cheap to clone. What is not there reads as empty: an older manager may lack a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Thing(Arc<Value>);

impl From<Value> for Thing {
    fn from(value: Value) -> Self {
        Self(Arc::new(value))
    }
}

impl Thing {
    pub(crate) fn of(value: Value) -> Self {
        value.into()
    }

    /// The value itself.
    pub(crate) fn json(&self) -> &Value {
        &self.0
    }

    /// Whether both are the same one, not only alike.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What stands at a path such as `status.state`; an index is a number: `nodes.0`.
    pub(crate) fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&*self.0, |value, key| match value {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            other => other.get(key),
        })
    }

    pub(crate) fn id(&self) -> &str {
        self.text("id")
    }

    /// Text; empty when there is none.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.at(path).and_then(Value::as_str).unwrap_or_default()
    }

    /// A sentence of the manager, as people read it.
    pub(crate) fn told(&self, path: &str) -> String {
        clock::localized(self.text(path))
    }

    /// A number, also one that is written as text.
    pub(crate) fn number(&self, path: &str) -> Option<f64> {
        let value = self.at(path)?;
        value.as_f64().or_else(|| value.as_str()?.parse().ok())
    }

    /// Bytes: Longhorn writes some sizes as text and some as numbers. Zero when there are none.
    pub(crate) fn bytes(&self, path: &str) -> ByteSize {
        let value = self.at(path);
        let bytes = value.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
        ByteSize(bytes.unwrap_or_default())
    }

    /// True for `true`, also as text.
    pub(crate) fn flag(&self, path: &str) -> bool {
        self.at(path).is_some_and(|value| value.as_bool() == Some(true) || value.as_str() == Some("true"))
    }

    /// The items of a list.
    pub(crate) fn items(&self, path: &str) -> Vec<Self> {
        let items = self.at(path).and_then(Value::as_array);
        items.map(|items| items.iter().cloned().map(Self::from).collect()).unwrap_or_default()
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, path: &str) -> Vec<String> {
        let items = self.at(path).and_then(Value::as_array);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        items.map(|items| items.iter().filter_map(text).collect()).unwrap_or_default()
    }

    /// Keys and values of an object, in the order of the keys.
    pub(crate) fn map(&self, path: &str) -> Vec<(String, Self)> {
        let entries = self.at(path).and_then(Value::as_object);
        let entry = |(key, value): (&String, &Value)| (key.clone(), Self::from(value.clone()));
        entries.map(|entries| entries.iter().map(entry).collect()).unwrap_or_default()
    }

    /// Whether the manager offers this action now.
    pub(crate) fn has_action(&self, name: &str) -> bool {
        self.0.get("actions").is_some_and(|actions| actions.get(name).is_some())
    }

    /// Why it is not as wished.
    pub(crate) fn causes(&self) -> Vec<Cause> {
        let cause = |value: &Value| serde_json::from_str(&value.to_string()).ok();
        let causes = self.at("causes").and_then(Value::as_array);
        causes.map(|causes| causes.iter().filter_map(cause).collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_there_reads_as_empty() {
        let thing = Thing::from(json!({
            "id": "b1", "status": {"state": "ready", "size": "4096"}, "used": 7, "on": "true",
            "list": [{"name": "x"}, "y"], "labels": {"a": "1"}, "actions": {"delete": "…"},
            "causes": [{"code": "backup-failed", "message": "m", "nextStep": "n", "severity": "error"}],
        }));
        assert_eq!((thing.id(), thing.text("status.state"), thing.text("status.none.deep")), ("b1", "ready", ""));
        assert_eq!(
            (thing.bytes("status.size"), thing.bytes("used"), thing.bytes("id")),
            (ByteSize(4096), ByteSize(7), ByteSize(0))
        );
        assert_eq!((thing.number("status.size"), thing.number("none")), (Some(4096.0), None));
        assert!(thing.flag("on") && !thing.flag("used") && thing.has_action("delete") && !thing.has_action("purge"));
        assert_eq!((thing.text("list.0.name"), thing.texts("list")), ("x", vec!["y".to_owned()]));
        assert_eq!((thing.items("list").len(), thing.map("labels")[0].1.json().as_str()), (2, Some("1")));
        assert_eq!(thing.causes()[0].next_step, "n");
    }
}
