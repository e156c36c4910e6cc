//! What the status shows of an instant restore.

use super::super::barrier::now;
use super::super::restore::RestoreRequest;
use super::super::transfer::Ended;
use super::Lazy;
use super::map::Map;
use crate::backup::{BackupUrl, TargetUrl};
use crate::grpc::engine_v1::{RestoreStatus, TransferState};

/// The last one into this volume since its engine started.
#[derive(Default)]
pub(super) struct Shown {
    /// Without what the blocks tell.
    status: RestoreStatus,
}

impl Shown {
    /// The volume may be used from now on.
    pub(super) fn begin(&mut self, map: &Map, resumed: bool) {
        let url = map.target.parse::<TargetUrl>();
        self.status = RestoreStatus {
            volume: map.volume.clone(),
            backup: map.backup.clone(),
            state: TransferState::TransferInProgress.into(),
            planned_bytes: map.remote_bytes(),
            url: url.map(|url| BackupUrl::backup(url, &map.volume, &map.backup).to_string()).unwrap_or_default(),
            started_at: if resumed { now() } else { std::mem::take(&mut self.status.started_at) },
            instant: true,
            resumed,
            ..RestoreStatus::default()
        };
    }

    /// Why nothing comes now; empty: as far as known it does.
    pub(super) fn cause(&self) -> &str {
        &self.status.error
    }

    pub(super) fn complete(&mut self) {
        self.status.set_state(TransferState::TransferComplete);
        self.status.ended_at = now();
        self.status.error.clear();
        self.status.next_step.clear();
    }
}

impl Lazy {
    /// `None` where nothing was restored like that since the engine started.
    pub(in crate::volume) fn status(&self) -> Option<RestoreStatus> {
        let state = self.lock();
        let shown = &state.shown.status;
        if shown.state() == TransferState::Unspecified {
            return None;
        }
        let remote = state.remote.as_ref().map(|remote| remote.blocks.remote_bytes()).unwrap_or_default();
        Some(RestoreStatus {
            remote_bytes: remote,
            done_bytes: shown.planned_bytes.saturating_sub(remote),
            ..shown.clone()
        })
    }

    /// Bytes that are only in the backup.
    pub(crate) fn remote_bytes(&self) -> u64 {
        self.with(|remote| remote.blocks.remote_bytes()).unwrap_or_default()
    }

    /// Another restore takes its place in the status.
    pub(in crate::volume) fn forget_shown(&self) {
        self.lock().shown = Shown::default();
    }

    pub(super) fn opens(&self, request: &RestoreRequest) {
        let url = BackupUrl::backup(request.target.url.clone(), &request.name.volume, &request.name.backup);
        self.lock().shown.status = RestoreStatus {
            volume: request.name.volume.clone(),
            backup: request.name.backup.clone(),
            state: TransferState::TransferInProgress.into(),
            url: url.to_string(),
            started_at: now(),
            ..RestoreStatus::default()
        };
    }

    pub(super) fn waits_for(&self, why: &str, next_step: &str) {
        let mut state = self.lock();
        why.clone_into(&mut state.shown.status.error);
        next_step.clone_into(&mut state.shown.status.next_step);
    }

    /// A block came: what was in the way is gone, unless some blocks can't be had.
    pub(super) fn goes_on(&self) {
        let mut state = self.lock();
        if state.remote.as_ref().is_none_or(|remote| remote.blocks.failures() == 0) {
            state.shown.status.error.clear();
            state.shown.status.next_step.clear();
        }
    }

    /// It is not tried any more by itself.
    pub(super) fn stopped(&self, ended: &Ended) {
        let mut state = self.lock();
        let is_usable = state.remote.is_some();
        let status = &mut state.shown.status;
        (status.error, status.next_step) = ended.words();
        if !is_usable {
            status.set_state(ended.state());
            status.ended_at = now();
        }
    }
}
