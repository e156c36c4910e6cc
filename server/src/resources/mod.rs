//! The custom resources, with Longhorn's field names: what the store holds and the controllers work on.
//!
//! A kind is a marker type (`Volume`) that names its spec and status; [`Object`] puts metadata around them.
//! What Longhorn's CRDs do not have (causes, epochs, the frontend in use) lives beside their fields in the status.

pub mod backing_image;
pub mod backing_image_data_source;
pub mod backing_image_manager;
pub mod backup;
pub mod backup_backing_image;
pub mod backup_target;
pub mod backup_volume;
pub mod condition;
pub mod data_source;
pub mod definition;
pub mod engine;
pub mod engine_image;
pub mod instance_manager;
pub mod metadata;
pub mod node;
pub mod orphan;
pub mod recurring_job;
pub mod replica;
pub mod setting;
pub mod shard;
pub mod shard_group;
pub mod share_manager;
pub mod snapshot;
pub mod support_bundle;
pub mod system_backup;
pub mod system_restore;
#[cfg(test)]
mod tests;
pub mod timestamp;
pub mod volume;
pub mod volume_attachment;

use std::fmt::Debug;

use aurochs_api::describe::Shaped;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use backing_image::BackingImage;
pub use backing_image_data_source::BackingImageDataSource;
pub use backing_image_manager::BackingImageManager;
pub use backup::Backup;
pub use backup_backing_image::BackupBackingImage;
pub use backup_target::BackupTarget;
pub use backup_volume::BackupVolume;
pub use engine::Engine;
pub use engine_image::EngineImage;
pub use instance_manager::InstanceManager;
pub use metadata::{Metadata, OwnerReference};
pub use node::Node;
pub use orphan::Orphan;
pub use recurring_job::RecurringJob;
pub use replica::Replica;
pub use setting::Setting;
pub use shard::Shard;
pub use shard_group::ShardGroup;
pub use share_manager::ShareManager;
pub use snapshot::Snapshot;
pub use support_bundle::SupportBundle;
pub use system_backup::SystemBackup;
pub use system_restore::SystemRestore;
pub use volume::Volume;
pub use volume_attachment::VolumeAttachment;

/// The API group; also the name of the finalizer that Longhorn puts on most kinds.
pub const GROUP: &str = "longhorn.io";
/// Label that ties engines, replicas, snapshots and attachments to their volume.
pub const LABEL_VOLUME: &str = "longhornvolume";
/// Label that ties a replica to the node it is placed on.
pub const LABEL_NODE: &str = "longhornnode";

/// A kind of resource.
pub trait Kind: Clone + Copy + Debug + Default + Send + Sync + 'static {
    /// As in Kubernetes manifests: `Volume`.
    const KIND: &'static str;
    /// As in URLs: `volumes`.
    const PLURAL: &'static str;
    /// Whether new objects get the `longhorn.io` finalizer, so that a controller can clean up before they go.
    const FINALIZED: bool;
    type Spec: Clone + Debug + Default + PartialEq + Shaped + Serialize + DeserializeOwned + Send + Sync;
    type Status: Clone + Debug + Default + PartialEq + Shaped + Serialize + DeserializeOwned + Send + Sync;
}

/// One resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Object<K: Kind> {
    pub metadata: Metadata,
    #[serde(default)]
    pub spec: K::Spec,
    #[serde(default)]
    pub status: K::Status,
}

impl<K: Kind> Object<K> {
    /// A new object, to be handed to `Store::create`.
    #[must_use]
    pub fn new(name: impl Into<String>, spec: K::Spec) -> Self {
        let metadata = Metadata { name: name.into(), ..Metadata::default() };
        Self { metadata, spec, status: K::Status::default() }
    }

    /// Ties the object to its volume: by label, for lookups, and by owner, so that it goes when the volume goes.
    #[must_use]
    pub fn owned_by_volume(mut self, volume: &Object<Volume>) -> Self {
        self.metadata.labels.insert(LABEL_VOLUME.to_owned(), volume.metadata.name.clone());
        self.metadata.owner_references = vec![OwnerReference {
            api_version: format!("{GROUP}/v1beta2"),
            kind: Volume::KIND.to_owned(),
            name: volume.metadata.name.clone(),
            uid: volume.metadata.uid.clone(),
            ..OwnerReference::default()
        }];
        self
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}
