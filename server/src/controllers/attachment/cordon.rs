//! A node that is to be emptied: what people attached there by hand is detached, if the setting
//! `detach-manually-attached-volumes-when-cordoned` says so. Workloads move away by themselves.

use std::collections::BTreeSet;

use tokio::task::JoinHandle;

use super::super::queue::WorkQueue;
use super::super::{Context, Error};
use crate::resources::volume_attachment::{AttacherType, VolumeAttachmentSpec};
use crate::resources::{Node, Object, VolumeAttachment};
use crate::settings::Name;

/// A node that changed wakes the volumes that somebody wants there.
pub(super) fn feed(context: &Context, queue: &WorkQueue) -> JoinHandle<()> {
    let (store, queue) = (context.store.clone(), queue.clone());
    tokio::spawn(async move {
        let mut nodes = store.watch::<Node>();
        while let Some(event) = nodes.next().await {
            let node = event.object();
            if !node.spec.cordoned {
                continue;
            }
            // The next change of the volume tries again what can't be read now.
            let all = store.list::<VolumeAttachment>().await.unwrap_or_default();
            for tickets in all.iter().filter(|tickets| super::is_wanted_on(tickets, node.name())) {
                queue.add(tickets.name());
            }
        }
    })
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
