//! What happened to an object, for people: Kubernetes' events with Longhorn's reasons.
//!
//! Whoever changes something emits the event right after the change is stored; an event is news and never a state, so
//! that nothing depends on its being kept.

mod reason;

use crate::resources::{Kind, Object};

pub use reason::Reason;

/// Whether it is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    Normal,
    Warning,
}

/// The object that an event speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// As in Kubernetes manifests: `Volume`.
    pub kind: String,
    pub name: String,
    pub uid: String,
}

impl<K: Kind> From<&Object<K>> for ObjectRef {
    fn from(object: &Object<K>) -> Self {
        Self { kind: K::KIND.to_owned(), name: object.name().to_owned(), uid: object.metadata.uid.clone() }
    }
}

/// Where events go. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Events {}

impl Events {
    /// Tells that something happened; never waits and never fails. Events go to the manager's log.
    pub fn emit(&self, object: &ObjectRef, reason: Reason, kind: EventType, message: &str) {
        let (what, name, reason) = (object.kind.as_str(), object.name.as_str(), reason.word());
        match kind {
            EventType::Normal => tracing::info!(kind = what, name, reason, "{message}"),
            EventType::Warning => tracing::warn!(kind = what, name, reason, "{message}"),
        }
    }
}
