//! The object of a question, typed, and what was changed of it.

use serde_json::{Map, Value, json};

use super::Patch;
use super::review::{Operation, Question};
use crate::error::{ApiError, ErrorKind};
use crate::resources::definition::Definition;
use crate::resources::{Kind, Metadata, Object};
use crate::store::{StoreError, kube};

/// A question about an object of this kind.
pub(super) struct Asked<K: Kind> {
    definition: &'static Definition,
    pub(super) operation: Operation,
    /// As it is; none when it is new.
    pub(super) before: Option<Object<K>>,
    /// As it is to be. When it is deleted: as it is.
    pub(super) object: Object<K>,
    /// The spec as it was sent: what it leaves out is not there.
    pub(super) sent: Map<String, Value>,
    sent_metadata: Metadata,
    has_spec: bool,
}

impl<K: Kind> Asked<K> {
    pub(super) fn read(definition: &'static Definition, question: &Question) -> Result<Self, ApiError> {
        let read = |value: &Value| {
            kube::read::<K>(definition, value.clone()).map_err(|error| {
                let why = match error {
                    StoreError::Decode { kind, name, source } => format!("{kind} {name} can't be read: {source}"),
                    other => other.to_string(),
                };
                let next_step = "Correct the field that it names; kubectl explain tells what each can be.";
                ApiError::new(ErrorKind::Invalid, why, next_step)
            })
        };
        let before = match &question.old_object {
            Value::Null => None,
            old => Some(read(old)?),
        };
        let object = match (&question.object, &before) {
            (Value::Null, Some(before)) => before.clone(),
            (new, _) => read(new)?,
        };
        let spec = if definition.has_spec() { &question.object["spec"] } else { &question.object };
        let mut sent = spec.as_object().cloned().unwrap_or_default();
        sent.retain(|_, value| !value.is_null());
        let has_spec = !definition.has_spec() || spec.is_object();
        let sent_metadata = object.metadata.clone();
        Ok(Self { definition, operation: question.operation, before, object, sent, sent_metadata, has_spec })
    }

    /// It is deleted and waits for its finalizers: nothing is asked of it any more.
    pub(super) fn is_going(&self) -> bool {
        self.object.is_deleting()
    }

    /// What is to be changed of what was sent, so that it becomes the object.
    pub(super) fn patch(&self) -> Result<Patch, ApiError> {
        if self.is_going() {
            return Ok(Patch::new());
        }
        let mut spec = serde_json::to_value(&self.object.spec)
            .map_err(|error| ApiError::internal(format_args!("writing a {}", K::KIND), error))?;
        self.definition.leave_out_empty("spec", &mut spec);
        self.definition.keep_foreign("spec", &Value::Object(self.sent.clone()), &mut spec);
        let (mut patch, below) = (Patch::new(), if self.definition.has_spec() { "/spec" } else { "" });
        if !self.has_spec {
            patch.push(json!({"op": "add", "path": "/spec", "value": {}}));
        }
        for (name, value) in spec.as_object().into_iter().flatten() {
            if self.sent.get(name) != Some(value) {
                patch.push(json!({"op": "add", "path": format!("{below}/{name}"), "value": value}));
            }
        }
        if self.object.metadata.labels != self.sent_metadata.labels {
            patch.push(json!({"op": "add", "path": "/metadata/labels", "value": self.object.metadata.labels}));
        }
        if self.object.metadata.owner_references != self.sent_metadata.owner_references {
            let owners = &self.object.metadata.owner_references;
            patch.push(json!({"op": "add", "path": "/metadata/ownerReferences", "value": owners}));
        }
        Ok(patch)
    }
}
