//! An event in Kubernetes' form.

use aurochs_api::event::{CoreEvent, Event, EventMetadata, EventSource, InvolvedObject};
use aurochs_api::schema::Resource;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::envelope::Links;
use crate::events::Kept;
use crate::resources::{GROUP, timestamp};

/// Where Longhorn's objects are in a cluster; clients ask for events of this namespace.
const NAMESPACE: &str = "longhorn-system";

#[must_use]
pub fn resource(kept: &Kept, links: Links<'_>) -> Resource<Event> {
    let kind = kept.kind.clone();
    links.thing(&kept.name, Event { event: core(kept), event_type: kind })
}

fn core(kept: &Kept) -> CoreEvent {
    let component = format!("longhorn-{}-controller", dashed(&kept.object.kind));
    let (first, last) = (timestamp::text(kept.first_seen), timestamp::text(kept.last_seen));
    CoreEvent {
        metadata: EventMetadata {
            name: kept.name.clone(),
            namespace: NAMESPACE.to_owned(),
            uid: uid(&kept.name).to_string(),
            // Grows with every change, which is all that a version promises.
            resource_version: kept.last_seen.unix_timestamp_nanos().to_string(),
            creation_timestamp: first.clone(),
        },
        involved_object: InvolvedObject {
            kind: kept.object.kind.clone(),
            namespace: NAMESPACE.to_owned(),
            name: kept.object.name.clone(),
            uid: kept.object.uid.clone(),
            api_version: format!("{GROUP}/v1beta2"),
            resource_version: String::new(),
        },
        reason: kept.reason.clone(),
        message: kept.message.clone(),
        source: EventSource { component: component.clone(), host: String::new() },
        first_timestamp: first,
        last_timestamp: last,
        count: kept.count,
        kind: kept.kind.clone(),
        reporting_component: component,
        reporting_instance: String::new(),
    }
}

/// The name says all that makes the event, so it makes the uid, too.
fn uid(name: &str) -> Uuid {
    let hash: [u8; 32] = Sha256::digest(name).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// `InstanceManager` → `instance-manager`.
fn dashed(kind: &str) -> String {
    let mut word = String::with_capacity(kind.len() + 4);
    for (place, letter) in kind.char_indices() {
        if letter.is_ascii_uppercase() && place > 0 {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_named_as_longhorns() {
        for (kind, word) in [("Volume", "volume"), ("InstanceManager", "instance-manager"), ("", "")] {
            assert_eq!(dashed(kind), word);
        }
    }
}
