//! The manager's own process.

use super::World;
use crate::metrics::machine;
use crate::metrics::page::Page;

pub(super) fn write(page: &mut Page, world: &World) {
    let Some(usage) = machine::own_usage() else { return };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // In standalone mode one manager stands for all nodes; it is told of the first.
    let node = world.nodes.first().map_or(host.trim(), |node| node.name());
    let labels = [("node", node), ("manager", host.trim())];
    page.gauge("longhorn_manager_cpu_usage_millicpu", "Processors in use by the manager.")
        .sample(&labels, usage.cpu_millicpu);
    page.gauge("longhorn_manager_memory_usage_bytes", "Memory in use by the manager.")
        .sample(&labels, usage.memory_bytes);
    page.gauge("process_resident_memory_bytes", "Memory in use by the manager.").sample(&[], usage.memory_bytes);
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    page.gauge("process_open_fds", "Files that the manager has open.").sample(&[], open as f64);
    let Some(own) = machine::own() else { return };
    let cpu = "Processor time that the manager has had, in seconds.";
    page.counter("process_cpu_seconds_total", cpu).sample(&[], own.cpu_seconds);
    let started = "When the manager started, in seconds since 1970.";
    page.gauge("process_start_time_seconds", started).sample(&[], own.started_seconds);
    page.gauge("process_virtual_memory_bytes", "Address space of the manager.").sample(&[], own.virtual_bytes);
    if let Some(maximum) = own.files_maximum {
        page.gauge("process_max_fds", "Files that the manager may have open.").sample(&[], maximum);
    }
}
