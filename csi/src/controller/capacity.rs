//! `GetCapacity`: how much could be made, and how much of it as one volume, where pods of a class may run.

use aurochs_api::condition::ConditionStatus;
use aurochs_api::node::{Disk, Node};
use aurochs_api::size::ByteSize;

use crate::csi::{GetCapacityRequest, GetCapacityResponse};
use crate::driver::Driver;
use crate::failure::Failure;
use crate::parameters::{self, Parameters};
use crate::size::signed;

const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
const OVER_PROVISIONING: &str = "storage-over-provisioning-percentage";

/// Without a place it is all nodes together.
pub(super) async fn of(driver: &Driver, request: &GetCapacityRequest) -> Result<GetCapacityResponse, Failure> {
    let place = Place::asked(request)?;
    let percent = driver.manager().setting(OVER_PROVISIONING).await?;
    let percent: u64 = percent.trim().parse().map_err(|_| {
        Failure::internal(format_args!("the setting {OVER_PROVISIONING} is {percent:?}"), "Give it a whole number.")
    })?;
    let nodes = match &place {
        Place::Host(name) => driver.manager().find_node(name).await?.into_iter().collect(),
        Place::Zone(_) | Place::Everywhere => driver.manager().nodes().await?,
    };
    let class = Class::of(&request.parameters);
    let rooms: Vec<ByteSize> = nodes
        .iter()
        .filter(|node| place.has(node) && class.fits(node))
        .flat_map(|node| node.disks.values())
        .filter(|disk| class.fits_disk(disk))
        .map(|disk| room(disk, percent))
        .collect();
    Ok(GetCapacityResponse {
        available_capacity: signed(rooms.iter().copied().sum()),
        maximum_volume_size: Some(signed(rooms.iter().copied().max().unwrap_or_default())),
        minimum_volume_size: None,
    })
}

/// What a disk may still be promised.
fn room(disk: &Disk, percent: u64) -> ByteSize {
    let usable = u128::from(disk.storage_maximum.saturating_sub(disk.storage_reserved).bytes());
    let promised = usable * u128::from(percent) / 100;
    ByteSize(u64::try_from(promised).unwrap_or(u64::MAX)).saturating_sub(disk.storage_scheduled)
}

enum Place {
    Everywhere,
    Host(String),
    Zone(String),
}

impl Place {
    fn asked(request: &GetCapacityRequest) -> Result<Self, Failure> {
        let mode = parameters::text(&request.parameters, "storageCapacityMode");
        if !matches!(mode, "" | "node" | "zone") {
            let message = format_args!("the parameter storageCapacityMode can't be {mode:?}");
            return Err(Failure::invalid(message, "Give node or zone, or leave it out."));
        }
        let Some(place) = &request.accessible_topology else { return Ok(Self::Everywhere) };
        let key = if mode == "zone" { ZONE } else { HOST };
        let said = place.segments.get(key).filter(|said| !said.is_empty());
        let said = said.ok_or_else(|| Failure::invalid(format_args!("the place has no {key}"), ""))?.clone();
        Ok(if mode == "zone" { Self::Zone(said) } else { Self::Host(said) })
    }

    fn has(&self, node: &Node) -> bool {
        match self {
            Self::Everywhere | Self::Host(_) => true,
            Self::Zone(zone) => node.zone == *zone,
        }
    }
}

/// What a class asks of nodes and disks.
struct Class {
    node_tags: Vec<String>,
    disk_tags: Vec<String>,
    disk_type: &'static str,
}

impl Class {
    fn of(class: &Parameters) -> Self {
        Self {
            node_tags: parameters::list(class, "nodeSelector"),
            disk_tags: parameters::list(class, "diskSelector"),
            disk_type: if parameters::text(class, "dataEngine") == "v2" { "block" } else { "filesystem" },
        }
    }

    fn fits(&self, node: &Node) -> bool {
        let is = |name: &str| node.conditions.get(name).is_some_and(|found| found.status == ConditionStatus::True);
        let has_tags = self.node_tags.iter().all(|tag| node.tags.contains(tag));
        is("Ready") && is("Schedulable") && node.allow_scheduling && !node.eviction_requested && has_tags
    }

    fn fits_disk(&self, disk: &Disk) -> bool {
        let has_tags = self.disk_tags.iter().all(|tag| disk.tags.contains(tag));
        let is_type = disk.disk_type.is_empty() && self.disk_type == "filesystem" || disk.disk_type == self.disk_type;
        disk.allow_scheduling && !disk.eviction_requested && disk.is_schedulable() && has_tags && is_type
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csi::Topology;
    use crate::failure::Kind;

    #[test]
    fn what_a_disk_may_be_promised() {
        let disk = Disk {
            storage_maximum: ByteSize(100),
            storage_reserved: ByteSize(20),
            storage_scheduled: ByteSize(50),
            ..Disk::default()
        };
        assert_eq!(room(&disk, 100), ByteSize(30));
        assert_eq!(room(&disk, 200), ByteSize(110));
        assert_eq!(room(&disk, 10), ByteSize::ZERO);
    }

    #[test]
    fn places() {
        let asked = |mode: &str, key: &str| {
            let parameters = [("storageCapacityMode".to_owned(), mode.to_owned())].into();
            let place = Topology { segments: [(key.to_owned(), "x".to_owned())].into() };
            let request = GetCapacityRequest { parameters, accessible_topology: Some(place), ..Default::default() };
            Place::asked(&request).map_err(|failure| failure.kind)
        };
        assert!(matches!(asked("", HOST), Ok(Place::Host(name)) if name == "x"));
        assert!(matches!(asked("zone", ZONE), Ok(Place::Zone(name)) if name == "x"));
        for (mode, key) in [("zone", HOST), ("node", ZONE), ("rack", HOST)] {
            assert!(matches!(asked(mode, key), Err(Kind::Invalid)), "{mode} {key}");
        }
        assert!(matches!(Place::asked(&GetCapacityRequest::default()), Ok(Place::Everywhere)));
    }
}
