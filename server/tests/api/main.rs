//! The API as a client sees it: the real router, a real SQLite file in a temporary directory.

mod envelope;
mod harness;
mod login;
mod live;
mod nodes;
mod settings;
mod volumes;
