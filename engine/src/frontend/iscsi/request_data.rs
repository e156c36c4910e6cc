//! Data of requests that are no SCSI commands: pings and text.
//!
//! A ping's data are kept until they have been echoed, and a request that came ahead of its turn is kept until then. An
//! initiator that reads nothing could pile them up, so those of a connection share a small room.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::parameters::MAX_RECEIVED_SEGMENT_BYTES;

/// Of one connection; several of the largest.
const ROOM_BYTES: u32 = 4 * MAX_RECEIVED_SEGMENT_BYTES;

/// The data of one request, and the room they take.
#[derive(Debug, Default)]
pub(super) struct RequestData {
    bytes: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

impl RequestData {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

#[derive(Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_BYTES as usize)))
    }

    /// Zeros to read the data into. `None`: there is no room now.
    pub(super) fn try_take(&self, length: usize) -> Option<RequestData> {
        if length == 0 {
            return Some(RequestData::default());
        }
        let room = Arc::clone(&self.0).try_acquire_many_owned(length as u32).ok()?;
        Some(RequestData { bytes: vec![0; length], _room: Some(room) })
    }

    /// The same, when there is room. `length` is at most that of a segment.
    pub(super) async fn take(&self, length: usize) -> RequestData {
        // An error would mean that the semaphore is closed, which nobody does.
        let room = Arc::clone(&self.0).acquire_many_owned(length as u32).await.ok();
        RequestData { bytes: vec![0; length], _room: room }
    }
}
