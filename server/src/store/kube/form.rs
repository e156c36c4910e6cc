//! Objects as an API server has them, and as the store has them.

use serde_json::{Map, Value, json};

use crate::resources::definition::{Definition, VERSION};
use crate::resources::{GROUP, Metadata};
use crate::store::RawObject;

/// What an API server sent is no object of ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormError {
    #[error("the API server sent no object")]
    NoObject,
    #[error("the API server sent an object whose metadata can't be read: {0}")]
    Metadata(#[from] serde_json::Error),
}

/// Takes an object as it came. Nulls are as good as absent for our types, and Longhorn writes them.
pub(super) fn read(definition: &Definition, object: Value) -> Result<RawObject, FormError> {
    let Value::Object(mut fields) = object else { return Err(FormError::NoObject) };
    let metadata: Metadata = serde_json::from_value(without_nulls(fields.remove("metadata")))?;
    let status = without_nulls(fields.remove("status"));
    let spec = if definition.has_spec() {
        without_nulls(fields.remove("spec"))
    } else {
        fields.retain(|name, _| name != "apiVersion" && name != "kind");
        without_nulls(Some(Value::Object(fields)))
    };
    Ok(RawObject { metadata, spec, status })
}

/// Fields of a status that others than managers write: they stay as the API server has them, whatever a manager says.
const KEPT_BY_OTHERS: &[(&str, &str)] = &[("volumes", "controlRecord")];

/// Brings these into the next status. An instance manager may have written one that this manager has not heard of yet; then the
/// version that the write names is not the present one, and the API server refuses it.
pub(super) fn keep_others(plural: &str, stored: &Value, next: &mut Value) {
    let Value::Object(next) = next else { return };
    for (_, field) in KEPT_BY_OTHERS.iter().filter(|(of, _)| *of == plural) {
        match stored.get(field) {
            Some(stored) => _ = next.insert((*field).to_owned(), stored.clone()),
            None => _ = next.remove(*field),
        }
    }
}

/// The body of a request.
pub(super) fn write(definition: &Definition, namespace: &str, object: &RawObject, part: Part) -> Value {
    let mut metadata = json!({"name": object.metadata.name, "namespace": namespace});
    let known = &object.metadata;
    // With both, a write is refused when somebody else has written or the object is another one by now.
    if !known.resource_version.is_empty() {
        metadata["resourceVersion"] = known.resource_version.as_str().into();
        metadata["uid"] = known.uid.as_str().into();
    }
    metadata["labels"] = json!(known.labels);
    metadata["annotations"] = json!(known.annotations);
    metadata["finalizers"] = json!(known.finalizers);
    metadata["ownerReferences"] = json!(known.owner_references);
    let mut body = Map::new();
    match (part, definition.has_spec(), &object.spec) {
        (Part::Status, ..) => {}
        (Part::Spec, false, Value::Object(spec)) => body.clone_from(spec),
        (Part::Spec, ..) => {
            body.insert("spec".to_owned(), object.spec.clone());
        }
    }
    if part == Part::Status {
        body.insert("status".to_owned(), object.status.clone());
    }
    body.insert("apiVersion".to_owned(), format!("{GROUP}/{VERSION}").into());
    body.insert("kind".to_owned(), definition.names.kind.into());
    body.insert("metadata".to_owned(), metadata);
    Value::Object(body)
}

/// What is written: an API server takes the two at different addresses, and leaves the other one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Metadata and spec.
    Spec,
    Status,
}

/// An empty object for nothing.
fn without_nulls(value: Option<Value>) -> Value {
    let mut value = value.filter(|value| !value.is_null()).unwrap_or_else(|| json!({}));
    drop_nulls(&mut value);
    value
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::definition;

    fn definition(kind: &str) -> Definition {
        definition::all().into_iter().find(|definition| definition.names.kind == kind).unwrap()
    }

    #[test]
    fn a_settings_value_stands_at_the_top() {
        let setting = definition("Setting");
        let sent = json!({"apiVersion": "longhorn.io/v1beta2", "kind": "Setting", "value": "3",
            "metadata": {"name": "s", "uid": "u", "resourceVersion": "7", "generation": 1}});
        let read = read(&setting, sent).unwrap();
        assert_eq!((read.spec.clone(), read.status.clone()), (json!({"value": "3"}), json!({})));
        let body = write(&setting, "ns", &read, Part::Spec);
        assert_eq!((body["value"].clone(), body.get("spec")), (json!("3"), None));
        assert_eq!(body["metadata"]["resourceVersion"], "7");
        assert_eq!(body["metadata"]["namespace"], "ns");
        assert!(write(&setting, "ns", &read, Part::Status).get("value").is_none());
    }

    #[test]
    fn nulls_are_absent() {
        let sent = json!({"metadata": {"name": "v", "labels": null}, "spec": {"diskSelector": null, "size": "1"},
            "status": {"conditions": [{"type": "Ready", "message": null}]}});
        let read = read(&definition("Volume"), sent).unwrap();
        assert_eq!(read.spec, json!({"size": "1"}));
        assert_eq!(read.status, json!({"conditions": [{"type": "Ready"}]}));
        assert!(self::read(&definition("Volume"), json!([])).is_err());
    }
}
