//! The NBD server and clients that misbehave: raw bytes on a real socket.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its message")]

mod client;
mod contexts;
mod extended;
#[path = "../file_device/mod.rs"]
mod file_device;
mod handshake;
mod lifetime;
mod requests;
