//! Volumes, with the rates of their engines.

use super::{World, backups, claim, states, word};
use crate::metrics::io::{self, Rate};
use crate::metrics::io_latency;
use crate::metrics::page::Page;
use crate::resources::volume::Frontend;
use crate::resources::{Object, Volume};

pub(super) fn write(page: &mut Page, world: &World) {
    sizes(page, world);
    conditions(page, world);
    rates(page, world);
    io_latency::write(page, world.engines.iter().map(|engine| &**engine));
}

/// Node, volume and claim.
fn labels(volume: &Object<Volume>) -> [(&'static str, &str); 4] {
    let [pvc, namespace] = claim(volume);
    [("node", node(volume)), ("volume", volume.name()), pvc, namespace]
}

/// The node that it is attached to; else that of the manager that looks after it.
fn node(volume: &Object<Volume>) -> &str {
    let status = &volume.status;
    if status.current_node_id.is_empty() { &status.owner_id } else { &status.current_node_id }
}

fn sizes(page: &mut Page, world: &World) {
    let mut gauge = |name, help, value: fn(&Object<Volume>) -> f64| {
        let mut family = page.gauge(name, help);
        world.volumes.iter().for_each(|volume| family.sample(&labels(volume), value(volume)));
    };
    gauge("longhorn_volume_capacity_bytes", "Size of the volume.", |volume| volume.spec.size.bytes() as f64);
    gauge("longhorn_volume_actual_size_bytes", "Bytes that one replica of the volume takes on its disk.", |volume| {
        volume.status.actual_size.bytes() as f64
    });
    gauge("longhorn_volume_encrypted", "Whether the volume is encrypted.", |volume| {
        f64::from(u8::from(volume.spec.encrypted))
    });
    gauge(
        "longhorn_volume_last_backup_at",
        "When the volume's last backup was begun, in seconds since 1970.",
        |volume| backups::last_at(&volume.status.last_backup_at),
    );
}

fn conditions(page: &mut Page, world: &World) {
    let mut family = page.gauge("longhorn_volume_state", "State of the volume: 1 for the present one.");
    world.volumes.iter().for_each(|volume| states(&mut family, &labels(volume), volume.status.state));
    let mut family = page.gauge("longhorn_volume_robustness", "How safe the volume's data is: 1 for the present word.");
    world.volumes.iter().for_each(|volume| states(&mut family, &labels(volume), volume.status.robustness));
}

/// Longhorn has it with 1 alone.
fn read_only(page: &mut Page, world: &World) {
    let volumes = world.volumes_by_name();
    let name = "longhorn_volume_file_system_read_only";
    let mut family = page.gauge(name, "1 where a file system on the volume turned read-only by itself.");
    for engine in world.engines.iter().filter(|engine| !engine.status.turned_read_only.is_empty()) {
        if let Some(volume) = volumes.get(engine.spec.volume_name.as_str()) {
            family.sample(&labels(volume), 1.0);
        }
    }
}

fn rates(page: &mut Page, world: &World) {
    read_only(page, world);
    let volumes = world.volumes_by_name();
    let running: Vec<_> = world
        .engines
        .iter()
        .filter_map(|engine| Some((volumes.get(engine.spec.volume_name.as_str())?, io::rates(&engine.metadata.uid))))
        .collect();
    let mut gauge = |name, help, value: fn(&Rate) -> f64, of: fn(&io::Rates) -> &Rate| {
        let mut family = page.gauge(name, help);
        running.iter().for_each(|(volume, rates)| family.sample(&labels(volume), value(of(rates))));
    };
    let read: fn(&io::Rates) -> &Rate = |rates| &rates.read;
    let write: fn(&io::Rates) -> &Rate = |rates| &rates.write;
    gauge("longhorn_volume_read_throughput", "Bytes read in a second.", |rate| rate.bytes_per_second, read);
    gauge("longhorn_volume_write_throughput", "Bytes written in a second.", |rate| rate.bytes_per_second, write);
    gauge("longhorn_volume_read_iops", "Reads in a second.", |rate| rate.operations_per_second, read);
    gauge("longhorn_volume_write_iops", "Writes in a second.", |rate| rate.operations_per_second, write);
    gauge(
        "longhorn_volume_read_latency",
        "Mean time of a read, in nanoseconds.",
        |rate| rate.latency_nanoseconds,
        read,
    );
    gauge(
        "longhorn_volume_write_latency",
        "Mean time of a write, in nanoseconds.",
        |rate| rate.latency_nanoseconds,
        write,
    );
}

/// Longhorn's word for the way that a volume is offered.
pub(super) fn frontend(frontend: Frontend) -> String {
    word(frontend)
}
