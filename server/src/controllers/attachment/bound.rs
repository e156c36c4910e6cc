//! Strictly local volumes: a ticket for another node than that of the data is not followed, and is told so.

use std::collections::BTreeMap;

use aurochs_api::condition::ConditionStatus;

use super::super::volume::locality;
use super::super::{Context, Error};
use crate::resources::volume::DataLocality;
use crate::resources::volume_attachment::{CONDITION_SATISFIED, VolumeAttachmentSpec, VolumeAttachmentStatus};
use crate::resources::{LABEL_VOLUME, Object, Replica, Volume, condition};

/// Ticket to why it can't be served where it asks for the volume.
pub(super) type Refusals = BTreeMap<String, String>;

pub(super) async fn refusals(
    context: &Context,
    volume: &Object<Volume>,
    tickets: &VolumeAttachmentSpec,
) -> Result<Refusals, Error> {
    if volume.spec.data_locality != DataLocality::StrictLocal {
        return Ok(Refusals::new());
    }
    let replicas = context.store.list_labelled::<Replica>(LABEL_VOLUME, volume.name()).await?;
    let refusal = |node: &str| locality::refusal(volume, &replicas, node);
    let tickets = tickets.attachment_tickets.iter();
    Ok(tickets.filter_map(|(id, ticket)| Some((id.clone(), refusal(&ticket.node_id)?))).collect())
}

/// The tickets among which may be chosen.
pub(super) fn permitted(tickets: &VolumeAttachmentSpec, refusals: &Refusals) -> VolumeAttachmentSpec {
    let mut permitted = tickets.clone();
    permitted.attachment_tickets.retain(|id, _| !refusals.contains_key(id));
    permitted
}

/// To be called after all tickets were told how they stand.
pub(super) fn tell(status: &mut VolumeAttachmentStatus, refusals: &Refusals) {
    for (id, refusal) in refusals {
        if let Some(told) = status.attachment_ticket_statuses.get_mut(id).filter(|told| !told.satisfied) {
            condition::set(&mut told.conditions, CONDITION_SATISFIED, ConditionStatus::False, "", refusal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::replica::ReplicaSpec;
    use crate::resources::volume::VolumeSpec;
    use crate::resources::volume_attachment::AttachmentTicket;

    /// behaviour.md §3, row "strict-local": one replica on the attached node.
    #[test]
    fn strict_local() {
        let spec = VolumeSpec { data_locality: DataLocality::StrictLocal, ..VolumeSpec::default() };
        let volume = Object::<Volume>::new("v", spec);
        let on = |node: &str| {
            let (node_id, disk_path) = (node.to_owned(), if node.is_empty() { String::new() } else { "/d".to_owned() });
            Object::<Replica>::new("r", ReplicaSpec { node_id, disk_path, ..ReplicaSpec::default() })
        };
        let refusal = locality::refusal(&volume, &[on("node-2")], "node-1").unwrap();
        assert!(refusal.contains("node-2"), "{refusal}");
        assert_eq!(locality::refusal(&volume, &[on("node-2")], "node-2"), None);
        assert_eq!(
            locality::refusal(&volume, &[on("")], "node-1"),
            None,
            "its place is chosen at the first attachment"
        );
        let near = VolumeSpec { data_locality: DataLocality::BestEffort, ..VolumeSpec::default() };
        assert_eq!(locality::refusal(&Object::new("v", near), &[on("node-2")], "node-1"), None);

        let ticket = |node: &str| AttachmentTicket { node_id: node.to_owned(), ..AttachmentTicket::default() };
        let attachment_tickets = [("a".to_owned(), ticket("node-1")), ("b".to_owned(), ticket("node-2"))].into();
        let tickets = VolumeAttachmentSpec { attachment_tickets, ..VolumeAttachmentSpec::default() };
        let permitted = permitted(&tickets, &[("a".to_owned(), refusal)].into());
        assert_eq!(permitted.attachment_tickets.keys().collect::<Vec<_>>(), ["b"]);
    }
}
