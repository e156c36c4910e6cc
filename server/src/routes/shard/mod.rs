//! Shards and their groups, of the second data engine: to look at only.

use aurochs_api::shard::{Shard as ShardView, ShardGroup as ShardGroupView};

use super::shown;
use crate::nouns::Noun;
use crate::resources::{Shard, ShardGroup};

/// Made with their volume.
pub fn noun() -> Noun {
    Noun::of::<ShardView>().list(shown::list::<Shard>).streamed(&["shards"]).get(shown::get::<Shard>).done()
}

/// Made with their volume.
pub fn group_noun() -> Noun {
    Noun::of::<ShardGroupView>()
        .list(shown::list::<ShardGroup>)
        .streamed(&["shardgroups"])
        .get(shown::get::<ShardGroup>)
        .done()
}
