//! Shards and their groups.

use aurochs_api::shard::{Shard as ShardView, ShardGroup as ShardGroupView};

use super::shown::Shown;
use crate::resources::{Object, Shard, ShardGroup};

impl Shown for ShardGroup {
    type View = ShardGroupView;

    fn view(group: &Object<Self>) -> ShardGroupView {
        let (spec, status) = (&group.spec, &group.status);
        ShardGroupView {
            name: group.name().to_owned(),
            volume_name: spec.volume_name.clone(),
            node_id: spec.node_id.clone(),
            owner_id: status.owner_id.clone(),
            state: status.state,
            process_state: status.process_state.word().to_owned(),
            data_chunks: spec.data_chunks,
            parity_chunks: spec.parity_chunks,
            strip_size_kb: spec.strip_size_kb,
            shard_refs: status.shard_refs.clone(),
            failed_count: status.failed_count,
            grow_in_progress: status.grow_in_progress,
            rebuild_in_progress: status.rebuild_in_progress,
            scrub_in_progress: status.scrub_in_progress,
            ec_shard_address_map: status.ec_shard_address_map.clone(),
            lvstore_uuid: status.lvstore_uuid.clone(),
            head_lvol_uuid: status.head_lvol_uuid.clone(),
            nqn: status.nqn.clone(),
            storage_ip: status.storage_ip.clone(),
            port: status.port,
            instance_manager_name: status.instance_manager_name.clone(),
        }
    }
}

impl Shown for Shard {
    type View = ShardView;

    fn view(shard: &Object<Self>) -> ShardView {
        let (spec, status) = (&shard.spec, &shard.status);
        ShardView {
            name: shard.name().to_owned(),
            shard_group_name: spec.shard_group_name.clone(),
            slot_index: spec.slot_index,
            role: status.role,
            state: status.state,
            node_id: spec.node_id.clone(),
            owner_id: status.owner_id.clone(),
            disk_uuid: spec.disk_uuid.clone(),
            disk_path: spec.disk_path.clone(),
            size: spec.size,
            storage_ip: status.storage_ip.clone(),
            port: status.port,
            eviction_requested: spec.eviction_requested,
            last_failure_timestamp: status.last_failure_timestamp.clone(),
            rebuild_progress: status.rebuild_progress,
        }
    }
}
