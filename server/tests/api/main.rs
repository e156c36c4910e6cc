//! The API as a client sees it: the real router, a real SQLite file in a temporary directory.

mod engine;
mod envelope;
mod harness;
mod live;
mod login;
mod nodes;
mod settings;
mod snapshots;
mod volumes;
