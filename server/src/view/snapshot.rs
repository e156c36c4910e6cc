//! Snapshots of a volume, as its running engine tells them.

use aurochs_api::schema::Resource;
use aurochs_api::snapshot::Snapshot;

use super::envelope::Links;

/// A snapshot is no top-level thing: it is reached by its volume's actions.
#[must_use]
pub fn resource(snapshot: Snapshot, links: Links<'_>) -> Resource<Snapshot> {
    let id = snapshot.name.clone();
    links.resource("snapshot", &id, &[], snapshot)
}
