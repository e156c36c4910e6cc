//! What initiator and target agree on at login, and this target's own part of it.

use std::time::Duration;

use super::digest::Digests;
use crate::frontend::in_flight::SMALL_BYTES;

/// Connections of one session, and so paths a single initiator can use at once.
pub(super) const MAX_CONNECTIONS: u32 = 4;
/// Most bytes of a data segment that this target takes; what QEMU and the Linux initiator send at most, too.
pub(super) const MAX_RECEIVED_SEGMENT_BYTES: u32 = 256 << 10;
/// Most bytes that one R2T asks for, or that are sent between two final marks.
pub(super) const MAX_BURST_BYTES: u32 = 1 << 20;
/// Most bytes of a write that come without being asked for, as with other targets. With the command window it bounds what a
/// session can make this process hold before anything is admitted.
pub(super) const FIRST_BURST_BYTES: u32 = SMALL_BYTES;
/// R2Ts of one command that may be open at once.
pub(super) const MAX_OUTSTANDING_R2T: u32 = 8;
/// What both sides assume for a data segment until the other one has said something.
const DEFAULT_SEGMENT_BYTES: u32 = 8192;
/// Seconds an initiator waits before it comes back after a lost connection.
pub(super) const TIME_TO_WAIT_SECONDS: u32 = 2;

/// Agreed once for a session, at its first login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionParameters {
    pub(super) max_connections: u32,
    /// Every byte of a write has to be asked for, but for immediate data.
    pub(super) initial_r2t: bool,
    pub(super) immediate_data: bool,
    pub(super) max_burst_bytes: u32,
    pub(super) first_burst_bytes: u32,
    pub(super) max_outstanding_r2t: u32,
    pub(super) time_to_wait: Duration,
}

/// Agreed for each connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConnectionParameters {
    pub(super) digests: Digests,
    /// Most bytes of a data segment that the initiator takes.
    pub(super) max_sent_segment_bytes: u32,
}

impl Default for SessionParameters {
    /// RFC 7143, section 13: what holds where nothing is said.
    fn default() -> Self {
        Self {
            max_connections: 1,
            initial_r2t: true,
            immediate_data: true,
            max_burst_bytes: 256 << 10,
            first_burst_bytes: 64 << 10,
            max_outstanding_r2t: 1,
            time_to_wait: Duration::from_secs(TIME_TO_WAIT_SECONDS.into()),
        }
    }
}

impl Default for ConnectionParameters {
    fn default() -> Self {
        Self { digests: Digests::default(), max_sent_segment_bytes: DEFAULT_SEGMENT_BYTES }
    }
}
