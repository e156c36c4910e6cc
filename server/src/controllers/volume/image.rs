//! The engine image that a volume has: while it is down the one that is installed, which it is started with next; while it
//! is up the one that it was started with.

use super::family::Family;
use super::{Findings, Volumes};
use crate::controllers::{Error, engine_image};
use crate::resources::engine::InstanceState;
use crate::resources::{Engine, Object, Replica, Volume};

/// The step of one pass.
pub(super) async fn step(
    volumes: &Volumes,
    volume: &Object<Volume>,
    family: &Family,
    _: &mut Findings,
) -> Result<(), Error> {
    let (store, installed) = (&volumes.context.store, engine_image::default_image());
    for replica in family.staying().filter(|replica| replica.status.current_state == InstanceState::Stopped) {
        if replica.spec.image != installed {
            let change = |replica: &mut Object<Replica>| replica.spec.image.clone_from(&installed);
            store.modify::<Replica>(replica.name(), change).await?;
        }
    }
    if family.engine.status.current_state != InstanceState::Stopped {
        return Ok(());
    }
    if family.engine.spec.image != installed {
        let change = |engine: &mut Object<Engine>| engine.spec.image.clone_from(&installed);
        store.modify::<Engine>(family.engine.name(), change).await?;
    }
    if volume.spec.image != installed {
        let change = |volume: &mut Object<Volume>| volume.spec.image.clone_from(&installed);
        store.modify::<Volume>(volume.name(), change).await?;
    }
    Ok(())
}
