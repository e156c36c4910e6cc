//! The data link between an engine and a replica: framed requests over several streams.
//!
//! `frame` is the wire, `control` the rarer requests in JSON, `address` where a replica listens (on another machine: `tls`, on
//! the same one: `nearby`),
//! `client` the engine's end (its streams are `lanes`, those of a copy `bulk`) and `server` the replica's, with what it
//! begins `at_once`, what comes `alone`, its `directory_work` and its `answer`s.

pub mod address;
mod alone;
mod answer;
mod at_once;
mod blocking_stream;
pub(crate) mod bulk;
pub mod client;
pub mod control;
mod directory_work;
pub(crate) mod extents;
pub mod frame;
mod gather;
mod hello;
mod lanes;
pub mod nearby;
pub(crate) mod parts;
pub(crate) mod purging;
mod request;
pub mod server;
mod shared_stream;
mod slots;
pub mod tls;

pub use address::Address;
pub use client::{LinkError, ReplicaLink};
