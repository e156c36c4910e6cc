//! The members that a rebuild copies from, and which of them gives what.

use futures::future::join_all;

use super::groups::Group;
use super::state::Progress;
use crate::link::bulk::BulkLink;
use crate::link::extents::held_bytes;
use crate::link::{LinkError, ReplicaLink};
use crate::replica::LayerInfo;
use crate::volume::start;

/// Bulk streams to each source, and to the joiner, which takes in what all of them give.
pub(super) const SOURCE_STREAMS: usize = 2;
pub(super) const TARGET_STREAMS: usize = 4;

/// A member with all data, and streams to it.
pub(super) struct Source {
    pub(super) bulk: BulkLink,
    layers: Vec<LayerInfo>,
}

impl Source {
    async fn open(link: &ReplicaLink) -> Result<Self, LinkError> {
        let layers = start::ask_layers(link).await?;
        Ok(Self { bulk: BulkLink::open(link, SOURCE_STREAMS).await?, layers })
    }

    pub(super) fn holds(&self, group: &Group) -> bool {
        group.is_held_by(&self.layers)
    }

    /// Bytes that the group's layers hold on this source.
    async fn bytes_of(&self, group: &Group) -> Result<u64, LinkError> {
        let mut bytes = 0;
        for layer in &group.layers {
            bytes += held_bytes(&self.bulk, &layer.file_name).await?;
        }
        Ok(bytes)
    }
}

/// Opens streams to all of them at once. Those that don't answer are no sources, and what is wrong with them shows in
/// the status.
pub(super) async fn open(links: &[ReplicaLink], progress: &Progress) -> Vec<Source> {
    let opened = join_all(links.iter().map(Source::open)).await;
    let mut sources = Vec::new();
    for (link, source) in links.iter().zip(opened) {
        match source {
            Ok(source) => {
                progress.source_opened(link.name(), SOURCE_STREAMS);
                sources.push(source);
            }
            Err(error) => {
                tracing::warn!(replica = link.name(), %error, "cannot be copied from");
                progress.source_lost(link.name(), &error.to_string());
            }
        }
    }
    sources
}

/// How much each group holds, largest group last: it is given out first, so that no source ends up alone with it.
pub(super) async fn plan(mut groups: Vec<Group>, sources: &[Source]) -> Vec<Group> {
    for group in &mut groups {
        let told = match sources.iter().find(|source| source.holds(group)) {
            Some(source) => source.bytes_of(group).await.ok(),
            None => None,
        };
        // Where nobody can tell, the copy itself finds out.
        let rough = || group.layers.iter().map(|layer| layer.allocated_bytes).sum();
        group.planned_bytes = told.unwrap_or_else(rough);
    }
    groups.sort_by_key(|group| group.planned_bytes);
    groups
}

/// The largest group that one of the idle sources holds, and that source.
pub(super) fn take_pair(groups: &mut Vec<Group>, idle: &mut Vec<Source>) -> Option<(Source, Group)> {
    for group in (0..groups.len()).rev() {
        if let Some(source) = idle.iter().position(|source| source.holds(&groups[group])) {
            return Some((idle.remove(source), groups.remove(group)));
        }
    }
    None
}
