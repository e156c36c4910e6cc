//! Channels to addresses of either kind.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::link::Address;

/// Opening a connection; requests have timeouts of their own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A channel that connects at its first use and again after a break. Addresses: `unix:/path` or `tcp:host:port`.
pub fn channel(address: &Address) -> Channel {
    let address = address.clone();
    // The URI only names the authority of the requests; the connector knows where to go.
    let endpoint = Endpoint::from_static("http://aurochs.local")
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10));
    endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let address = address.clone();
        async move { address.connect().await.map(TokioIo::new) }
    }))
}
