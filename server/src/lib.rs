//! The manager: API, login, controllers, scheduling and the dashboard.
//!
//! The way of a wish, file by file:
//! 1. [`auth`], then [`router`] with [`nouns`] and [`routes`] — a request of someone who may becomes a change of a resource's spec;
//! 2. [`store`] — the change is kept (optimistic concurrency, finalizers) and announced to everyone who watches;
//! 3. [`controllers`] — the controller of its kind takes one step from what is towards what is wished, with
//!    [`scheduling`] for places and [`instance`] for processes, and writes a status with causes;
//! 4. [`store`] again — the status reaches the dashboard by the same watches: [`view`] gives it its shape, [`web`]
//!    the live stream and the page around it.
//!
//! Volumes' data in backup stores is sent and fetched by engines; [`backups`] is the manager's own way to them.
//! [`system`] is what a backup of the whole installation holds, in [`yaml`].
//! What takes long is told to [`jobs`] and what happened to [`events`]: both are for people, and nothing depends on them.
//! [`whatif`] tells before a change what the controllers would make of it; [`search`] finds by words; [`samples`] remember
//! what volumes did.
//!
//! [`standalone`] puts it together on one machine, where [`cluster`] may keep the resources; [`client`] is the command line that
//! asks it. Invariants: `spec` says what is wished and `status` what is; every
//! pass can be repeated at any time; what runs is adopted, never restarted; the control record alone says which
//! replicas hold all data.

pub mod admission;
pub mod app;
pub mod audit;
pub mod auth;
pub mod backups;
pub mod client;
pub mod cluster;
pub mod controllers;
pub mod environment;
pub mod error;
pub mod events;
pub mod feature;
pub mod files;
pub mod instance;
pub mod jobs;
pub mod logging;
pub mod metrics;
pub mod notifications;
pub mod nouns;
mod private_file;
pub mod recurring;
pub mod resources;
pub mod router;
pub mod routes;
pub mod samples;
pub mod scheduling;
pub mod search;
pub mod settings;
pub mod standalone;
pub mod store;
pub mod support_bundle;
pub mod system;
pub mod view;
pub mod web;
pub mod whatif;
pub mod yaml;
