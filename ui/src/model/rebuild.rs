//! Progress of the rebuilds that run now.

use aurochs_api::size::ByteSize;
use aurochs_api::volume::{RebuildStatus, Volume};

/// One running rebuild, with what the page shows of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rebuild {
    pub(crate) replica: String,
    pub(crate) from: Vec<String>,
    pub(crate) percent: u32,
    pub(crate) done: ByteSize,
    pub(crate) planned: ByteSize,
    pub(crate) bytes_per_second: u64,
}

impl Rebuild {
    /// All that run on a volume.
    pub(crate) fn running(volume: &Volume) -> Vec<Self> {
        let running = volume.rebuild_status.iter().filter(|status| status.is_rebuilding);
        running.map(|status| Self::of(volume, status)).collect()
    }

    fn of(volume: &Volume, status: &RebuildStatus) -> Self {
        let node_of = |replica: &str| {
            let found =
                volume.replicas.iter().find(|candidate| is_replica(&candidate.name, &candidate.address, replica));
            found.map(|replica| replica.host_id.clone()).unwrap_or_default()
        };
        Self {
            replica: status.replica.clone(),
            from: status.from_replica_list.iter().map(|replica| node_of(replica)).filter(|n| !n.is_empty()).collect(),
            percent: status.progress.min(100),
            done: status.done_bytes,
            planned: status.planned_bytes,
            bytes_per_second: status.bytes_per_second,
        }
    }

    /// Seconds left at the present rate; `None` while there is no rate.
    pub(crate) fn seconds_left(&self) -> Option<u64> {
        let left = self.planned.saturating_sub(self.done).bytes();
        (self.bytes_per_second > 0 && self.planned.bytes() > 0).then(|| left.div_ceil(self.bytes_per_second))
    }
}

/// Longhorn names a replica by its name or by its address (`tcp://10.0.0.1:10000`), depending on the field.
pub(crate) fn is_replica(name: &str, address: &str, reference: &str) -> bool {
    let bare = reference.strip_prefix("tcp://").unwrap_or(reference);
    reference == name || (!address.is_empty() && bare == address)
}

#[cfg(test)]
mod tests {
    use aurochs_api::replica::Replica;

    use super::*;

    #[test]
    fn only_running_ones_with_their_node_and_time() {
        let replica =
            |name: &str, node: &str| Replica { name: name.into(), host_id: node.into(), ..Replica::default() };
        let status = RebuildStatus {
            replica: "v-r-3".into(),
            is_rebuilding: true,
            progress: 25,
            from_replica_list: vec!["v-r-1".into()],
            planned_bytes: ByteSize(400),
            done_bytes: ByteSize(100),
            bytes_per_second: 7,
            ..RebuildStatus::default()
        };
        let finished = RebuildStatus { is_rebuilding: false, ..status.clone() };
        let volume = Volume {
            replicas: vec![replica("v-r-1", "node-1"), replica("v-r-3", "node-3")],
            rebuild_status: vec![finished.into(), status.into()],
            ..Volume::default()
        };
        let running = Rebuild::running(&volume);
        assert_eq!(running.len(), 1);
        assert_eq!(
            (running[0].replica.as_str(), running[0].from.as_slice()),
            ("v-r-3", ["node-1".to_owned()].as_slice())
        );
        assert_eq!(running[0].seconds_left(), Some(43));
        assert_eq!(Rebuild { bytes_per_second: 0, ..running[0].clone() }.seconds_left(), None);
    }

    #[test]
    fn named_by_address_too() {
        assert!(is_replica("r", "10.0.0.1:10000", "tcp://10.0.0.1:10000"));
        assert!(!is_replica("r", "", ""));
    }
}
