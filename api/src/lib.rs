//! Shapes shared by the manager, the engine, the CSI driver and the dashboard.
//!
//! One resource a file. Field names and their spelling are Longhorn's REST API's (`/v1`); what is ours
//! (`causes`, `live`) is added in the same conventions. serde only, so that the crate compiles to wasm.
//!
//! Types say themselves what they are ([`describe`]) and what can be done with them ([`action`]): the manager makes its
//! routes, its schemas and its links of that, and the dashboard its menus.

// The derive writes `aurochs_api::…`, in this crate as in others.
extern crate self as aurochs_api;

pub mod action;
pub mod attachment;
pub mod audit;
pub mod backing_image;
pub mod backup;
pub mod backup_backing_image;
pub mod backup_target;
pub mod backup_volume;
pub mod cause;
pub mod condition;
pub mod cron;
pub mod describe;
pub mod engine_image;
pub mod event;
pub mod file;
pub mod ids;
pub mod instance_manager;
pub mod job;
pub mod latency;
pub mod live;
pub mod nested;
pub mod node;
pub mod notification;
pub mod orphan;
pub mod recurring_job;
pub mod replica;
pub mod sample;
pub mod schema;
pub mod search;
pub mod session;
pub mod setting;
pub mod shard;
pub mod size;
pub mod snapshot;
pub mod support_bundle;
pub mod system_backup;
pub mod system_restore;
pub mod tag;
pub mod volume;
pub mod whatif;
pub mod word;
