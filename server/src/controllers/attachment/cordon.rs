//! A node that is to be emptied: what people attached there by hand is detached, if the setting
//! `detach-manually-attached-volumes-when-cordoned` says so. Workloads move away by themselves.

use std::collections::BTreeSet;

use tokio::task::JoinHandle;

use super::super::queue::WorkQueue;
use super::super::{Context, Error};
use crate::resources::volume_attachment::{AttacherType, VolumeAttachmentSpec};
use crate::resources::{Node, Object, VolumeAttachment};
use crate::settings::Name;
use crate::store::Store;

/// A node that was cordoned, and the setting, wake the volumes that somebody wants on cordoned nodes.
pub(super) fn feed(context: &Context, queue: &WorkQueue) -> JoinHandle<()> {
    let (store, queue, mut settings) = (context.store.clone(), queue.clone(), context.settings.changed());
    tokio::spawn(async move {
        let mut nodes = store.watch::<Node>();
        loop {
            let concerned = tokio::select! {
                event = nodes.next() => match event {
                    Some(event) => event.object().spec.cordoned,
                    None => return,
                },
                changed = settings.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return,
                },
            };
            if concerned {
                wake(&store, &queue).await;
            }
        }
    })
}

async fn wake(store: &Store, queue: &WorkQueue) {
    // What can't be read now is tried again at the next change of the volume.
    let nodes = store.list::<Node>().await.unwrap_or_default();
    let cordoned: Vec<&str> = nodes.iter().filter(|node| node.spec.cordoned).map(|node| node.name()).collect();
    if cordoned.is_empty() {
        return;
    }
    for tickets in store.list::<VolumeAttachment>().await.unwrap_or_default() {
        if cordoned.iter().any(|node| super::is_wanted_on(&tickets, node)) {
            queue.add(tickets.name());
        }
    }
}

/// Takes away the tickets that a cordoned node gives up.
pub(super) async fn give_up(
    context: &Context,
    tickets: Object<VolumeAttachment>,
) -> Result<Object<VolumeAttachment>, Error> {
    let by_hand = tickets.spec.attachment_tickets.values().any(|ticket| ticket.kind == AttacherType::LonghornApi);
    if !by_hand || !context.settings.flag(Name::DetachManuallyAttachedVolumesWhenCordoned) {
        return Ok(tickets);
    }
    let nodes = context.store.list::<Node>().await?;
    let cordoned: BTreeSet<&str> = nodes.iter().filter(|node| node.spec.cordoned).map(|node| node.name()).collect();
    if without(&tickets.spec, &cordoned) == tickets.spec {
        return Ok(tickets);
    }
    tracing::info!(volume = tickets.name(), "what was attached by hand leaves its cordoned node");
    let change = |tickets: &mut Object<VolumeAttachment>| tickets.spec = without(&tickets.spec, &cordoned);
    Ok(context.store.modify::<VolumeAttachment>(tickets.name(), change).await?)
}

fn without(spec: &VolumeAttachmentSpec, cordoned: &BTreeSet<&str>) -> VolumeAttachmentSpec {
    let mut spec = spec.clone();
    spec.attachment_tickets
        .retain(|_, ticket| ticket.kind != AttacherType::LonghornApi || !cordoned.contains(ticket.node_id.as_str()));
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::volume_attachment::AttachmentTicket;

    #[test]
    fn only_what_was_attached_by_hand_leaves_a_cordoned_node() {
        let ticket = |id: &str, kind, node: &str| {
            (id.to_owned(), AttachmentTicket { id: id.into(), kind, node_id: node.into(), ..Default::default() })
        };
        let attachment_tickets = [
            ticket("hand", AttacherType::LonghornApi, "node-1"),
            ticket("elsewhere", AttacherType::LonghornApi, "node-2"),
            ticket("pod", AttacherType::CsiAttacher, "node-1"),
        ];
        let spec = VolumeAttachmentSpec { volume: "v".into(), attachment_tickets: attachment_tickets.into() };
        let left = without(&spec, &BTreeSet::from(["node-1"])).attachment_tickets;
        assert_eq!(left.keys().collect::<Vec<_>>(), ["elsewhere", "pod"]);
        assert_eq!(without(&spec, &BTreeSet::new()), spec);
    }
}
