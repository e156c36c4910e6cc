//! Channels to addresses of either kind.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::engine_v1::engine_client::EngineClient;
use super::instance_v1::instance_manager_client::InstanceManagerClient;
use crate::link::Address;
use crate::link::tls::Identity;

/// Opening a connection; requests have timeouts of their own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest answer that is taken. A status tells of every snapshot of a volume, an inspection of every replica of a disk:
/// with tonic's own limit of 4 MiB a volume whose status has grown past it
/// could not be reached any more, and what was asked for would be done and yet seem to have failed.
const ANSWER_BYTES_MAXIMUM: usize = 64 << 20;

/// A client of an engine.
#[must_use]
pub fn engine(channel: Channel) -> EngineClient<Channel> {
    EngineClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAXIMUM)
}

/// A client of an instance manager.
#[must_use]
pub fn instance_manager(channel: Channel) -> InstanceManagerClient<Channel> {
    InstanceManagerClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAXIMUM)
}

/// A channel that connects at its first use and again after a break. Addresses: `unix:/path` or `tls:host:port`.
pub fn channel(address: &Address) -> Channel {
    channel_as(address, None)
}

/// The same as another member of the cluster than this process is.
pub fn channel_as(address: &Address, member: Option<Arc<Identity>>) -> Channel {
    let address = address.clone();
    // The URI only names the authority of the requests; the connector knows where to go.
    let endpoint = Endpoint::from_static("http://aurochs.local")
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10));
    endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let (address, member) = (address.clone(), member.clone());
        async move { address.connect_as(member.as_deref()).await.map(TokioIo::new) }
    }))
}
