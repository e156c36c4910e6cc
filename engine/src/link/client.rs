//! The engine's end of the data link to one replica.
//!
//! The first fault of any of a link's lanes ends the whole link, and the owner of the volume is told once. Bulk
//! copying has lanes of its own beside these (`bulk`), so that foreground requests never stand behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::address::Address;
use super::control::{ControlReply, ControlRequest, Hello, Welcome};
use super::frame::Kind;
use super::hello::open_stream;
use super::lanes::{Lanes, Sharing};
pub use super::request::{LinkError, Payload, Request};
use crate::disk::AlignedBuf;

/// Streams of one link. Two let a large transfer and a small request pass each other; more gain nothing measurable
/// on one machine.
pub const LANES: usize = 2;

/// Numbers the links of this process.
static LINKS: AtomicU64 = AtomicU64::new(1);

/// A link to one replica. Cheap to clone.
#[derive(Clone)]
pub struct ReplicaLink {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    address: Address,
    /// What was said on every lane; further ones say the same.
    hello: Hello,
    welcome: Welcome,
    lanes: Arc<Lanes>,
}

impl ReplicaLink {
    /// Connects all lanes and says HELLO on each; the answer of the first tells the replica's state.
    pub async fn connect(name: &str, address: &Address, hello: &Hello) -> Result<Self, LinkError> {
        let hello = Hello { link: LINKS.fetch_add(1, Ordering::Relaxed), bulk: false, ..hello.clone() };
        let (first, welcome) = open_stream(name, address, &hello).await?;
        let mut streams = vec![first];
        while streams.len() < LANES {
            streams.push(open_stream(name, address, &hello).await?.0);
        }
        let lanes = Lanes::start(name, streams, Sharing::SmallTogether);
        let (name, address) = (name.to_owned(), address.clone());
        Ok(Self { shared: Arc::new(Shared { name, address, hello, welcome, lanes }) })
    }

    pub(super) fn hello(&self) -> &Hello {
        &self.shared.hello
    }

    /// Name of the replica.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// What the replica said of itself when the link was made.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.shared.welcome
    }

    /// Whether both are the same link; a replica that was dropped and rebuilt has another one under its name.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Foreground requests that wait for an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.lanes.in_flight()
    }

    /// Why the link is gone, if it is.
    #[must_use]
    pub fn lost_cause(&self) -> Option<&str> {
        self.shared.lanes.lost_cause()
    }

    /// Resolves when the link is gone.
    pub async fn lost(&self) {
        self.shared.lanes.lost().await;
    }

    /// Age of the request that has waited longest for its answer, beyond what its kind is allowed.
    #[must_use]
    pub fn oldest_wait(&self) -> Option<Duration> {
        self.shared.lanes.oldest_wait()
    }

    /// Ends the link; everything in flight fails with this cause.
    pub fn fail(&self, cause: &str) {
        self.shared.lanes.fail(cause);
    }

    /// Sends a request and waits for its answer. Cancel-safe: a dropped future only forgets the answer.
    pub async fn request(&self, request: Request) -> Result<AlignedBuf, LinkError> {
        self.shared.lanes.request(request).await
    }

    /// Sends a control request.
    pub async fn control(&self, request: &ControlRequest) -> Result<ControlReply, LinkError> {
        self.shared.lanes.control(request).await
    }

    /// Bytes of a snapshot's content.
    pub async fn snapshot_read(&self, name: &str, offset: u64, length: u32) -> Result<AlignedBuf, LinkError> {
        let mut request = Request::new(Kind::SnapshotRead, offset, length);
        request.payload = AlignedBuf::copy_of(name.as_bytes()).into();
        self.request(request).await
    }
}
