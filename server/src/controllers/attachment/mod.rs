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
        let silent: Vec<&str> = self.0.clients.nodes().filter(|node| !self.0.instances.answers(node)).collect();
        let tell = |status: &mut _| {
            told::tell_tickets(status, &tickets.spec, &volume, &silent);
            bound::tell(status, &refusals);
        };
        store.modify_status::<VolumeAttachment>(name, tell).await?;
        Ok(Next::Wait)
    }
}
