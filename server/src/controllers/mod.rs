//! The controllers: one per kind, each moving its objects one step at a time from what they are to what they should
//! be. They share nothing but the store, the view of the running processes, and wake-ups for each other.
//!
//! Who writes what:
//! | controller | reads | writes |
//! |---|---|---|
//! | [`attachment`] | tickets | `volume.spec.nodeID`, `disableFrontend`, ticket status |
//! | [`volume`] | everything of a volume | volume status, engine and replica specs, creation and deletion of both |
//! | [`engine`] | engine spec | the engine process, its membership wishes, engine status |
//! | [`replica`] | replica spec | the replica process, its directory, replica status |
//! | [`node`] | disks, replicas, processes | node status, first disks, which orphans there are |
//! | [`orphan`] | orphans | what they stand for, their status |
//! | [`engine_image`] | who uses the engine | the engine image |
//! | [`job`] | engines, volumes, nodes | nothing; what takes long is told to [`crate::jobs`] |
//! | [`instance_manager`] | running processes | instance manager resources |
//! | [`snapshot`] | engine status | snapshot resources |
//! | [`backing_image`] | images, replicas, disks | images with their copies, the files beneath |
//! | [`backup_backing_image`] | backups of images that are asked for, or go | their status, what of them is in the store |
//! | [`backup_target`] | backup targets, what is in their stores | their status, backup volumes and backups that were found |
//! | [`backup_volume`] | backup volumes that go | what of them is in the store |
//! | [`backup`] | backups that are asked for, or go | their status, what is in the store, the volume's last backup |
//! | [`system_backup`] | what a restore brings back | backups of volumes, the zip in the store |
//! | [`system_restore`] | a zip in the store | settings, targets, recurring jobs and volumes that it tells of |
//! | [`setting`] | settings | defaults, the copy in memory |

pub mod attachment;
pub mod backing_image;
pub mod backup;
pub mod backup_backing_image;
pub mod backup_target;
pub mod backup_volume;
#[cfg(test)]
pub(crate) mod bench;
#[cfg(test)]
pub(crate) mod bench_target;
pub mod drain;
pub mod engine;
pub mod engine_image;
pub mod instance_manager;
pub mod job;
pub mod node;
pub mod orphan;
pub mod queue;
pub mod replica;
pub mod runtime;
pub mod setting;
pub mod snapshot;
pub mod system_backup;
pub mod system_restore;
pub mod tickets;
pub mod volume;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::backups::Backups;
use crate::events::Events;
use crate::instance::{ClientError, Clients, Instances, directory, watcher};
use crate::jobs::Jobs;
use crate::samples::Samples;
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}")]
    Other(String),
    /// A backup target.
    #[error(transparent)]
    Target(#[from] crate::backups::Fault),
}

impl Error {
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(StoreError::Conflict { .. } | StoreError::AlreadyExists { .. }))
    }

    /// What the pass had read is not there any more.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Store(StoreError::NotFound { .. }))
    }
}

/// What every controller works with; cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub store: Store,
    pub settings: Settings,
    pub clients: Clients,
    pub instances: Instances,
    /// What happened goes here, right after it is stored.
    pub events: Events,
    /// What takes long is told here.
    pub jobs: Jobs,
    /// What engines tell of their I/O goes here.
    pub samples: Samples,
    /// The way to backup targets.
    pub backups: Backups,
    /// Taken while it is judged which replicas of a volume have its data.
    pub giving_up: Arc<replica::last_data::Turns>,
    /// Name of the node that this manager stands for: Longhorn's `ownerID` of what it looks after.
    pub owner: Arc<str>,
    /// Node name to the path of the disk that a new node gets.
    pub default_disks: Arc<std::collections::BTreeMap<String, PathBuf>>,
    /// Labels that a new node gets: its zone.
    pub node_labels: Arc<std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>>,
    /// Values that settings get when they are created, where they differ from the defaults.
    pub first_settings: &'static [(crate::settings::Name, &'static str)],
}

/// The running controllers. Dropping it stops them; what they started goes on.
pub struct Controllers {
    tasks: Vec<JoinHandle<()>>,
}

impl Controllers {
    /// What every manager does, whether it acts or not: keeps its copy of the settings and its view of the running
    /// processes fresh. Writes nothing.
    pub async fn look(context: &Context) -> Result<Self, Error> {
        // A follower begins with what is there then: what it tells is never older than this.
        setting::read(context).await?;
        let mut tasks = vec![setting::follow(context)];
        for node in context.clients.nodes() {
            let (clients, instances) = (context.clients.clone(), context.instances.clone());
            tasks.push(tokio::spawn(watcher::follow(clients, instances, node)));
        }
        Ok(Self { tasks })
    }

    /// The same in a cluster, whose nodes come and go.
    pub async fn look_around(context: &Context) -> Result<Self, Error> {
        setting::read(context).await?;
        let directory = directory::follow(&context.store, &context.clients, &context.instances).await?;
        Ok(Self { tasks: vec![setting::follow(context), directory] })
    }

    /// Brings settings and nodes into being, then starts everything that acts on what [`look`](Self::look) sees.
    pub async fn start(context: &Context) -> Result<Self, Error> {
        setting::ensure_defaults(context).await?;
        backup_target::ensure_default(&context.store).await?;
        let mut tasks = setting::start(context);
        tasks.extend(node::start(context));
        tasks.extend(instance_manager::start(context));
        tasks.extend(engine_image::start(context));
        tasks.extend(orphan::start(context));
        tasks.extend(replica::start(context));
        tasks.extend(engine::start(context));
        tasks.extend(volume::start(context));
        tasks.extend(attachment::start(context));
        tasks.extend(snapshot::start(context));
        tasks.extend(backing_image::start(context));
        tasks.extend(backup_target::start(context));
        tasks.extend(backup_volume::start(context));
        tasks.extend(backup_backing_image::start(context));
        tasks.extend(backup::start(context));
        tasks.extend(system_backup::start(context));
        tasks.extend(system_restore::start(context));
        tasks.extend(job::start(context));
        Ok(Self { tasks })
    }

    /// Ends them, and returns when they have ended.
    pub async fn stop(mut self) {
        let tasks = std::mem::take(&mut self.tasks);
        tasks.iter().for_each(JoinHandle::abort);
        futures::future::join_all(tasks).await;
    }

    /// More tasks that end with them.
    pub fn add(&mut self, tasks: Vec<JoinHandle<()>>) {
        self.tasks.extend(tasks);
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
