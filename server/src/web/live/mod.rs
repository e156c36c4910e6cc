//! The live stream: one task follows the store ([`hub`]), each client's task passes on what it tells ([`socket`]).
//!
//! ```text
//! store watches, jobs ─► World ─► views of what was touched ─► differs from what was told? ─► text, once for all ─► clients
//! ```
//! Of lists that are not in it a client hears that they changed ([`follow`]). Longhorn's streams send whole lists: [`revisions`] tells that one changed, [`streams`] has its text.

mod everything;
pub(crate) mod follow;
pub mod hub;
mod jobs;
pub mod revisions;
pub mod socket;
pub mod streams;
pub mod upgrade;

pub use hub::Live;
pub use streams::Streams;
