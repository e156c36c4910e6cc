//! Objects that people make with kubectl have no finalizer: they would be gone at once when they are deleted, with nobody to
//! clean up behind them. They get it when they are first seen.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::resources::{
    BackingImage, BackingImageDataSource, BackingImageManager, Backup, BackupBackingImage, BackupTarget, BackupVolume,
    Engine, EngineImage, GROUP, Kind, Node, Object, Orphan, Replica, Shard, ShardGroup, ShareManager, Snapshot,
    SupportBundle, SystemBackup, Volume, VolumeAttachment,
};
use crate::store::{Store, WatchEvent};

/// Pause before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

macro_rules! each {
    ($store:expr; $($kind:ident),* $(,)?) => { vec![$(tokio::spawn(finalize::<$kind>($store.clone()))),*] };
}

/// Starts it for all kinds that have something to be cleaned up.
#[must_use]
pub fn start(store: &Store) -> Vec<JoinHandle<()>> {
    each![
        store;
        BackingImage,
        BackingImageDataSource,
        BackingImageManager,
        Backup,
        BackupBackingImage,
        BackupTarget,
        BackupVolume,
        Engine,
        EngineImage,
        Node,
        Orphan,
        Replica,
        Shard,
        ShardGroup,
        ShareManager,
        Snapshot,
        SupportBundle,
        SystemBackup,
        Volume,
        VolumeAttachment,
    ]
}

async fn finalize<K: Kind>(store: Store) {
    debug_assert!(K::FINALIZED, "{} would never go", K::KIND);
    let mut watch = store.watch::<K>();
    while let Some(event) = watch.next().await {
        match event {
            WatchEvent::Applied(object) if lacks(&object) => finalize_one::<K>(&store, object.name()).await,
            _ => {}
        }
    }
}

fn lacks<K: Kind>(object: &Object<K>) -> bool {
    // One that is being deleted may get no more of them.
    !object.is_deleting() && !object.metadata.finalizers.iter().any(|finalizer| finalizer == GROUP)
}

/// Until it has it, or is not there any more.
async fn finalize_one<K: Kind>(store: &Store, name: &str) {
    let add = |object: &mut Object<K>| {
        if lacks(object) {
            object.metadata.finalizers.push(GROUP.to_owned());
        }
    };
    loop {
        match store.modify::<K>(name, add).await {
            Ok(_) => return,
            Err(error) if error.is_not_found() => return,
            Err(error) => tracing::warn!(kind = K::KIND, name, %error, "an object got no finalizer; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
