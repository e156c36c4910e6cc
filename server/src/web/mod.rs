//! What the browser gets: the embedded dashboard.

pub mod assets;
mod encoding;
