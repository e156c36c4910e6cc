//! The live stream: one task follows the store ([`hub`]), each client's task passes on what it tells ([`socket`]).
//!
//! ```text
//! store watches ─► World ─► views of what was touched ─► differs from what was told? ─► text, once for all ─► clients
//! ```

pub mod hub;
pub mod socket;

pub use hub::Live;
