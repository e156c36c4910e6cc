//! Turns tickets into `volume.spec.nodeID`, and tells every ticket whether it has what it asked for.
//!
//! Invariant: nobody else writes `volume.spec.nodeID` and `volume.spec.disableFrontend`.
//!
//! Order of a pass (behaviour.md §5): tickets that a cordoned node gives up ([`cordon`]); those that data locality forbids
//! ([`bound`]); detach or attach ([`choice`]); what the tickets are told ([`told`]).

mod bound;
mod choice;
mod cordon;
mod told;

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::queue::WorkQueue;
use super::runtime::{self, Controller, Next};
use super::{Context, Error};
use crate::resources::{Object, Volume, VolumeAttachment};

struct Attachments(Context);

/// Keys are volume names.
pub fn start(context: &Context) -> Vec<JoinHandle<()>> {
    let queue = WorkQueue::default();
    let name_of = |name: &str| vec![name.to_owned()];
    vec![
        runtime::feed_from_store::<VolumeAttachment>(&context.store, &queue, move |tickets| name_of(tickets.name())),
        runtime::feed_from_store::<Volume>(&context.store, &queue, move |volume| name_of(volume.name())),
        runtime::feed_from_nodes::<VolumeAttachment>(&context.store, &context.instances, &queue, is_wanted_on),
        cordon::feed(context, &queue),
        runtime::run(Arc::new(Attachments(context.clone())), queue),
    ]
}

/// Somebody asks for the volume on this node.
fn is_wanted_on(tickets: &Object<VolumeAttachment>, node: &str) -> bool {
    tickets.spec.attachment_tickets.values().any(|ticket| ticket.node_id == node)
}

impl Controller for Attachments {
    const NAME: &'static str = "attachment";

    async fn reconcile(&self, name: &str) -> Result<Next, Error> {
        let store = &self.0.store;
        let Some(tickets) = store.find::<VolumeAttachment>(name).await? else { return Ok(Next::Wait) };
        if tickets.is_deleting() {
            store.remove_finalizer::<VolumeAttachment>(name).await?;
            return Ok(Next::Wait);
        }
        let Some(volume) = store.find::<Volume>(name).await? else { return Ok(Next::Wait) };
        let tickets = cordon::give_up(&self.0, tickets).await?;
        let refusals = bound::refusals(&self.0, &volume, &tickets.spec).await?;
        let wish = choice::wish(&volume, &bound::permitted(&tickets.spec, &refusals));
        let volume = store
            .modify::<Volume>(name, |volume| {
                volume.spec.node_id.clone_from(&wish.node);
                volume.spec.disable_frontend = wish.disable_frontend;
                if let Some(by) = &wish.attached_by {
                    volume.spec.last_attached_by.clone_from(by);
                }
            })
            .await?;
        let nodes = self.0.clients.nodes();
        let silent: Vec<&str> =
            nodes.iter().map(String::as_str).filter(|node| !self.0.instances.answers(node)).collect();
        let tell = |status: &mut _| {
            told::tell_tickets(status, &tickets.spec, &volume, &silent);
            bound::tell(status, &refusals);
        };
        store.modify_status::<VolumeAttachment>(name, tell).await?;
        Ok(Next::Wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::bench;
    use crate::resources::node::NodeSpec;
    use crate::resources::volume::{VolumeSpec, VolumeState, VolumeStatus};
    use crate::resources::volume_attachment::{AttacherType, AttachmentTicket, VolumeAttachmentSpec};
    use crate::resources::{Node, condition};
    use crate::settings::Name;

    const CORDONED: &str = "node-1";
    const OTHER: &str = "node-2";

    /// Attached by hand to a node that is then cordoned, and wanted by a workload elsewhere.
    async fn world() -> (Attachments, tempfile::TempDir) {
        let (context, directory) = bench::context(&[CORDONED, OTHER]).await;
        for node in [CORDONED, OTHER] {
            context.instances.replace(node, env!("CARGO_PKG_VERSION"), 7, Vec::new());
        }
        context.settings.set(Name::DetachManuallyAttachedVolumesWhenCordoned.word(), "true");
        let spec = NodeSpec { cordoned: true, ..NodeSpec::default() };
        context.store.create(&Object::<Node>::new(CORDONED, spec)).await.unwrap();
        let spec = VolumeSpec { node_id: CORDONED.into(), ..VolumeSpec::default() };
        context.store.create(&Object::<Volume>::new("v", spec)).await.unwrap();
        let ticket = |id: &str, kind, node: &str| {
            (id.to_owned(), AttachmentTicket { id: id.into(), kind, node_id: node.into(), ..Default::default() })
        };
        let attachment_tickets =
            [ticket("hand", AttacherType::LonghornApi, CORDONED), ticket("pod", AttacherType::CsiAttacher, OTHER)];
        let spec = VolumeAttachmentSpec { volume: "v".into(), attachment_tickets: attachment_tickets.into() };
        context.store.create(&Object::<VolumeAttachment>::new("v", spec)).await.unwrap();
        (Attachments(context), directory)
    }

    /// A pass over the volume in this state: where it is to be after it, and what the workload's ticket is told.
    async fn pass(attachments: &Attachments, state: VolumeState, node: &str) -> (String, String) {
        let store = &attachments.0.store;
        let change = |status: &mut VolumeStatus| {
            status.state = state;
            node.clone_into(&mut status.current_node_id);
        };
        store.modify_status::<Volume>("v", change).await.unwrap();
        attachments.reconcile("v").await.unwrap();
        let told = store.get::<VolumeAttachment>("v").await.unwrap().status.attachment_ticket_statuses;
        assert_eq!(told.keys().collect::<Vec<_>>(), ["pod"], "a ticket that was given up is told nothing");
        let satisfied = condition::find(&told["pod"].conditions, "Satisfied").unwrap();
        let message = if told["pod"].satisfied { "satisfied" } else { satisfied.message.as_str() };
        (store.get::<Volume>("v").await.unwrap().spec.node_id, message.to_owned())
    }

    /// behaviour.md §5, row "order each pass": what an earlier step did is what the later ones of the same pass go by, and
    /// tickets are told what all of them left.
    #[tokio::test]
    async fn order_of_a_pass_cordon_detach_attach_ticket_status() {
        let (attachments, _directory) = world().await;
        let waits = "waiting for the volume to be attached";
        let rows = [
            // The cordon takes the ticket, so that none holds the volume: it is detached, and in the same pass.
            (VolumeState::Attached, CORDONED, "", waits),
            // One step at a time: what is being detached is not attached elsewhere.
            (VolumeState::Detaching, CORDONED, "", waits),
            (VolumeState::Detached, "", OTHER, waits),
            (VolumeState::Attached, OTHER, OTHER, "satisfied"),
        ];
        for (state, node, wished, told) in rows {
            assert_eq!(pass(&attachments, state, node).await, (wished.into(), told.into()), "{state:?} {node}");
        }
    }
}
