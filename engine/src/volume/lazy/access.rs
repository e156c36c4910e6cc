//! What requests of the volume do where blocks may be remote.
//!
//! None of them holds a turn while it waits for a block: the block is put in its place in a turn of its own.

use std::ops::Range;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::super::Shared;
use super::super::ordering::{Access, Turn};
use super::blocks::Before;
use super::{Lazy, commit};
use crate::crash_point;
use crate::frontend::{IoError, IoErrorKind};

/// A turn for a request that changes its range, with nothing of it remote that it depends on.
#[must_use]
pub(crate) struct ChangeTurn {
    turn: Turn,
    /// Remote still, and to be overwritten as a whole.
    overwrites: Vec<usize>,
}

impl ChangeTurn {
    /// The request has been done on all members; it may be acknowledged when this returns.
    pub(crate) async fn done(self, shared: &Arc<Shared>) -> Result<(), IoError> {
        let outcome = overwritten(shared, &self.overwrites).await;
        drop(self.turn);
        outcome
    }
}

/// Waits for a turn to replace what is in the range, whatever it is.
pub(crate) async fn turn_to_replace(shared: &Arc<Shared>, offset: u64, length: u64) -> Result<ChangeTurn, IoError> {
    turn(shared, offset, length, true).await
}

/// Waits for a turn to change what is in the range, which has to be there.
pub(crate) async fn turn_to_change(shared: &Arc<Shared>, offset: u64, length: u64) -> Result<Turn, IoError> {
    Ok(turn(shared, offset, length, false).await?.turn)
}

async fn turn(shared: &Arc<Shared>, offset: u64, length: u64, replaces: bool) -> Result<ChangeTurn, IoError> {
    loop {
        let turn = shared.ordering.turn(offset, length, Access::Write).await;
        match shared.lazy.before_change(offset, length, replaces) {
            Before::Go => return Ok(ChangeTurn { turn, overwrites: Vec::new() }),
            Before::Overwrite(overwrites) => return Ok(ChangeTurn { turn, overwrites }),
            Before::Wait(_) => drop(turn),
        }
        wait_to_change(shared, offset, length, replaces).await?;
    }
}

/// Until nothing that the range touches is remote or in the map; but for what is overwritten as a whole.
async fn wait_to_change(shared: &Arc<Shared>, offset: u64, length: u64, replaces: bool) -> Result<(), IoError> {
    loop {
        match shared.lazy.before_change(offset, length, replaces) {
            Before::Go | Before::Overwrite(_) => return Ok(()),
            Before::Wait(missing) if missing.is_empty() => commit::commit(shared).await?,
            Before::Wait(missing) => shared.lazy.wait_for(shared, &missing).await?,
        }
    }
}

/// L2, for blocks that a request overwrote: they are acknowledged as what is no longer in the map.
async fn overwritten(shared: &Arc<Shared>, blocks: &[usize]) -> Result<(), IoError> {
    if blocks.is_empty() {
        return Ok(());
    }
    shared.lazy.with(|remote| remote.blocks.overwritten(blocks));
    crash_point::reached("lazy.overwritten");
    let outcome = commit::commit_these(shared, blocks).await;
    if outcome.is_err() {
        shared.lazy.with(|remote| remote.blocks.not_overwritten(blocks));
        shared.lazy.tell();
        shared.lazy.wanted.notify_one();
    }
    outcome
}

impl Lazy {
    fn before_change(&self, offset: u64, length: u64, replaces: bool) -> Before {
        if !self.is_active() {
            return Before::Go;
        }
        self.with(|remote| remote.blocks.before_change(offset, length, replaces)).unwrap_or(Before::Go)
    }

    /// Whether a read of the range has to wait. The caller holds a turn that covers it.
    pub(crate) fn holds_back_read(&self, offset: u64, length: u64) -> bool {
        self.is_active() && !self.unreadable(offset, length).is_empty()
    }

    fn unreadable(&self, offset: u64, length: u64) -> Vec<usize> {
        self.with(|remote| remote.blocks.unreadable(offset, length)).unwrap_or_default()
    }

    /// Ranges that are data to whoever asks, whatever the members hold.
    pub(crate) fn parts(&self, offset: u64, length: u64) -> Vec<Range<u64>> {
        if !self.is_active() {
            return Vec::new();
        }
        self.with(|remote| remote.blocks.parts(offset, length)).unwrap_or_default()
    }

    /// Until a read of the range may be tried again.
    pub(crate) async fn wait_to_read(&self, shared: &Arc<Shared>, offset: u64, length: u64) -> Result<(), IoError> {
        let blocks = self.unreadable(offset, length);
        self.wait_for(shared, &blocks).await
    }

    /// Until each of these blocks has been something else than it is now, no longer than the bound.
    async fn wait_for(&self, shared: &Arc<Shared>, blocks: &[usize]) -> Result<(), IoError> {
        let Some(patience) = self.with(|remote| {
            remote.blocks.demand(blocks);
            remote.options.io_patience
        }) else {
            return Ok(());
        };
        self.wanted.notify_one();
        let deadline = Instant::now() + patience;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            shared.membership.check_running()?;
            if !self.are_missing(blocks)? {
                return Ok(());
            }
            if timeout_at(deadline, changed).await.is_err() {
                return Err(self.is_late(shared, patience));
            }
        }
    }

    fn are_missing(&self, blocks: &[usize]) -> Result<bool, IoError> {
        let mut state = self.lock();
        if let Some(over) = &state.over {
            return Err(over.clone());
        }
        let Some(remote) = &mut state.remote else { return Ok(false) };
        let missing = blocks.iter().any(|block| {
            matches!(remote.blocks.at(*block), super::blocks::At::Remote | super::blocks::At::Overwritten)
        });
        match remote.blocks.why_not(blocks) {
            Some(why) if missing => Err(IoError::new(IoErrorKind::Io, format!("{}: {why}", remote.what_is_missing()))),
            _ => {
                // One that was being overwritten, and was not after all, is demanded by nobody yet.
                remote.blocks.demand(blocks);
                self.wanted.notify_one();
                Ok(missing)
            }
        }
    }

    fn is_late(&self, shared: &Shared, patience: std::time::Duration) -> IoError {
        let state = self.lock();
        let what = state.remote.as_ref().map_or_else(|| shared.name.clone(), super::Remote::what_is_missing);
        let cause = state.shown.cause();
        let cause = if cause.is_empty() { "it is being fetched, and slowly" } else { cause };
        let message = format!("{what} within {} s: {cause}; it is tried on, ask again later", patience.as_secs());
        IoError::new(IoErrorKind::Io, message)
    }
}

impl super::Remote {
    fn what_is_missing(&self) -> String {
        let Self { map, .. } = self;
        format!("data of this volume is still in backup {} of {:?}, and did not come", map.backup, map.volume)
    }
}
