//! The data link between an engine and a replica: framed requests over several streams.
//!
//! `frame` is the wire, `control` the rarer requests in JSON, `address` where a replica listens,
//! `client` the engine's end and `server` the replica's.

pub mod address;
pub mod client;
pub mod control;
pub mod frame;
mod gather;
pub(crate) mod purging;
pub mod server;

pub use address::Address;
pub use client::{LinkError, ReplicaLink};
