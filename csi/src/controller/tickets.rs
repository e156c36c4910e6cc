//! Who wants a volume attached.

use aurochs_api::volume::Volume;

/// Those of the attachers that work for others than the manager itself.
const WORKLOADS: [&str; 2] = ["csi-attacher", "longhorn-api"];

/// Whether a workload does. The manager attaches volumes for work of its own, too, and detaches them again.
pub(super) fn of_workloads(volume: &Volume) -> bool {
    let tickets = volume.volume_attachment.attachments.values();
    tickets.into_iter().any(|ticket| WORKLOADS.contains(&ticket.attachment_type.as_str()))
}
