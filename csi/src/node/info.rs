//! `NodeGetInfo`: the node's name, and where it is.

use std::collections::HashMap;

use crate::controller::topology_keys;
use crate::csi::{NodeGetInfoResponse, Topology};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};

/// Told always, where the node has them: capacity is asked for by them.
const ALWAYS: [&str; 2] = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"];

pub(super) async fn of(driver: &Driver) -> Result<NodeGetInfoResponse, Failure> {
    let name = driver.node();
    let none = || Failure::new(Kind::NotFound, format_args!("the manager knows no node {name}"), "Does one run there?");
    let node = driver.manager().find_node(name).await?.ok_or_else(none)?;
    let keys = topology_keys(driver).await?;
    let counts = |key: &String| ALWAYS.contains(&key.as_str()) || keys.contains(key);
    let segments: HashMap<String, String> = node.labels.into_iter().filter(|(key, _)| counts(key)).collect();
    Ok(NodeGetInfoResponse {
        node_id: name.to_owned(),
        max_volumes_per_node: 0,
        // Also one that is nowhere in particular: CSI wants an answer of who may be asked for it.
        accessible_topology: Some(Topology { segments }),
    })
}
