//! The option `unmap-mark-snap-chain-removed`: a discard frees space also where snapshots below the head hold it.
//!
//! Before the discard every live snapshot below the head is marked as removed, down to the first layer that another
//! branch is seen through; a discard punches removed layers directly below the head ([`crate::replica`]). The marks are
//! made on all members under a barrier, so that the discard that follows finds the same run on each. Whoever sets the
//! option has given those snapshots up: their names stay until a purge, their content goes.
//!
//! Invariant: nothing but a discard, or a trim that was asked for, marks. Zeros do not, even those that may unmap: file
//! systems write them unasked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exclusive_work::Work;
use super::{Shared, Volume};
use crate::replica::tree::Tree;

/// Whether discards mark.
#[derive(Default)]
pub(crate) struct UnmapChain(AtomicBool);

impl UnmapChain {
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Volume {
    /// Sets the option for the discards from now on.
    pub fn set_unmap_mark_snap_chain_removed(&self, on: bool) {
        self.shared.unmap_chain.0.store(on, Ordering::Relaxed);
        self.shared.changed.tell();
    }

    /// Marks as a discard would, if the option is set. A trim begins with it: where its discards come as zeros, they mark
    /// nothing themselves.
    pub async fn mark_for_trim(&self) {
        mark_for_discard(&self.shared).await;
    }
}

/// Marks what the next discard is to reach. Where that is not possible now, the discard frees less, and no more.
pub(crate) async fn mark_for_discard(shared: &Arc<Shared>) {
    if !shared.unmap_chain.is_on() || markable(shared).is_empty() || !may_mark(shared) {
        return;
    }
    let marked = {
        let _everything = shared.ordering.barrier().await;
        // A rebuild may have begun while others were waited for, and the list is that of an earlier moment.
        shared.refresh_layers().await;
        if !may_mark(shared) {
            return;
        }
        shared.mark_removed(markable(shared)).await
    };
    if let Err(error) = marked {
        tracing::warn!(%error, "the snapshots below the head could not be marked; the discard frees less");
    }
    shared.refresh_layers().await;
    shared.changed.tell();
}

/// A joiner copies the layers as they were, and a region that may still differ is not yet what anybody has seen.
fn may_mark(shared: &Shared) -> bool {
    let nothing_runs = matches!(shared.work.running(), None | Some(Work::Purge));
    nothing_runs && shared.membership.view().joiner().is_none() && shared.unequal.left() == 0
}

fn markable(shared: &Shared) -> Vec<String> {
    let layers = shared.layers.get();
    let markable = Tree::of_layers(&layers).markable();
    markable.into_iter().map(|name| super::status::snapshot_name(name).to_owned()).collect()
}
