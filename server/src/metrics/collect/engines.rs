//! Engines.

use super::{INSTANCE_STATES, World, claim, states_of, volumes, word};
use crate::metrics::page::Page;

pub(super) fn write(page: &mut Page, world: &World) {
    let volumes = world.volumes_by_name();
    let mut family = page.gauge("longhorn_engine_info", "The engine, as far as it does not change: always 1.");
    for engine in &world.engines {
        let Some(volume) = volumes.get(engine.spec.volume_name.as_str()) else { continue };
        let frontend = volumes::frontend(volume.spec.frontend);
        let labels = [
            ("engine", engine.name()),
            ("volume", &engine.spec.volume_name),
            ("node", &engine.spec.node_id),
            ("data_engine", &volume.spec.data_engine),
            ("frontend", &frontend),
            ("image", &engine.status.current_image),
        ];
        family.sample(&labels, 1.0);
    }
    let mut family = page.gauge("longhorn_engine_state", "State of the engine: 1 for the present one.");
    for engine in &world.engines {
        let (volume, node) = (engine.spec.volume_name.as_str(), engine.spec.node_id.as_str());
        let labels = [("engine", engine.name()), ("volume", volume), ("node", node)];
        states_of(&mut family, &labels, &INSTANCE_STATES, engine.status.current_state.word());
    }
    let mut family = page.gauge("longhorn_engine_replica_mode", "What the engine does with a replica: always 1.");
    for engine in &world.engines {
        for (replica, mode) in &engine.status.replica_mode_map {
            let (volume, mode) = (engine.spec.volume_name.as_str(), word(mode));
            let labels = [("engine", engine.name()), ("volume", volume), ("replica", replica), ("mode", &mode)];
            family.sample(&labels, 1.0);
        }
    }
    rebuilds(page, world);
}

fn rebuilds(page: &mut Page, world: &World) {
    let volumes = world.volumes_by_name();
    let mut family = page.gauge("longhorn_engine_rebuild_progress", "How far a rebuild is, in percent.");
    for engine in &world.engines {
        let Some(volume) = volumes.get(engine.spec.volume_name.as_str()) else { continue };
        let [pvc, namespace] = claim(volume);
        for (replica, rebuild) in engine.status.rebuild_status.iter().filter(|(_, rebuild)| rebuild.is_rebuilding) {
            let sources = rebuild.from_replica_list.join(",");
            let node = ("node", engine.spec.node_id.as_str());
            let labels =
                [node, ("engine", engine.name()), ("rebuild_src", &sources), ("rebuild_dst", replica), pvc, namespace];
            family.sample(&labels, f64::from(rebuild.progress));
        }
    }
}
