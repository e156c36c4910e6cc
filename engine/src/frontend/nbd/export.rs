//! The one export of a server, as the handshake describes it.

use super::protocol::{Headers, transmission_flag as flag};
use crate::frontend::in_flight::CONNECTION_BYTES;

/// Smallest unit of a request: any byte. The device merges partial blocks itself.
pub(super) const MINIMUM_BLOCK_BYTES: u32 = 1;
/// Requests of whole blocks need no read-modify-write: the tracking granularity of a replica.
pub(super) const PREFERRED_BLOCK_BYTES: u32 = 4096;
/// Largest payload that is announced: what the protocol asks every server to take, and what clients use without asking.
pub(super) const ANNOUNCED_PAYLOAD_BYTES: u32 = 32 << 20;
/// Largest payload that is taken, for clients that do not ask and send more (the integrity test of the protocol's own
/// tester sends up to 48 MiB).
pub(super) const MAX_PAYLOAD_BYTES: u32 = CONNECTION_BYTES;

#[derive(Clone, Debug)]
pub(super) struct Export {
    pub(super) name: String,
    pub(super) size_bytes: u64,
}

impl Export {
    /// The volume's name, or the empty name of the default export.
    pub(super) fn answers_to(&self, name: &str) -> bool {
        name.is_empty() || name == self.name
    }

    /// What the client may send. Multiple connections are one device: a flush on any of them covers them all.
    pub(super) fn transmission_flags(&self, headers: Headers) -> u16 {
        let always = flag::HAS_FLAGS
            | flag::SEND_FLUSH
            | flag::SEND_FUA
            | flag::SEND_TRIM
            | flag::SEND_WRITE_ZEROES
            | flag::CAN_MULTI_CONN
            | flag::SEND_CACHE
            | flag::SEND_FAST_ZERO;
        if headers.has_chunks() { always | flag::SEND_DF } else { always }
    }

    /// For people.
    pub(super) fn description(&self) -> String {
        format!("volume {}, {} bytes", self.name, self.size_bytes)
    }
}
