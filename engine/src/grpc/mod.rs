//! The gRPC interfaces: generated from `proto/`, thin services over the owners.

mod backup_requests;
pub mod connect;
mod credentials;
pub mod engine_service;
pub mod keeper;
mod snapshot_stream;

use crate::link::Address;
use crate::link::address::AddressError;

/// A channel to `unix:/path` or `tls:host:port`. Connects at its first use and again after a break.
pub fn connect(address: &str) -> Result<tonic::transport::Channel, AddressError> {
    Ok(connect::channel(&address.parse::<Address>()?))
}

/// `proto/instance.proto`: the instance manager.
#[allow(
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod instance_v1 {
    tonic::include_proto!("aurochs.instance.v1");
}

/// `proto/engine.proto`: the engine of one volume.
#[allow(
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod engine_v1 {
    tonic::include_proto!("aurochs.engine.v1");
}
