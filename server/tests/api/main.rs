//! The API as a client sees it: the real router, a real SQLite file in a temporary directory.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says by panicking what went wrong")]

mod audit;
mod backup_targets;
mod bodies;
mod connections;
mod engine;
mod envelope;
mod events;
mod harness;
mod hostile;
mod in_use;
mod jobs;
mod live;
mod login;
mod metrics;
mod nodes;
mod notifications;
mod recurring_jobs;
mod roles;
mod schemas;
mod search;
mod secrets;
mod settings;
mod snapshots;
mod support_bundles;
mod tls;
mod volume_actions;
mod volume_life;
mod volumes;
mod walk;
mod whatif;
