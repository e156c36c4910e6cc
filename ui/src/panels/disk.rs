//! One disk: what is on it, what is promised, what keeps it from being used.

use std::sync::Arc;

use aurochs_api::cause::Cause;
use aurochs_api::node::{Disk, DiskHealth, Node};
use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use super::node_card::Reason;
use super::nodes::acts::Acts;
use super::nodes::figures::Figures;
use crate::address;
use crate::components::badge::{Badge, Shape};
use crate::components::bar::{Bar, Part, share};
use crate::components::menu::Menu;
use crate::live::Live;
use crate::role::may_write;
use crate::words::{self, Mark, fill, tr};

/// The word for a disk.
fn state(disk: &Disk) -> (Mark, &'static str) {
    match (disk.eviction_requested, disk.allow_scheduling, disk.is_schedulable()) {
        (true, _, _) => (Mark::Progress, tr("Being emptied")),
        (false, false, _) => (Mark::Idle, tr("Disabled")),
        (false, true, true) => (Mark::Healthy, tr("Schedulable")),
        (false, true, false) => (Mark::Degraded, tr("Unschedulable")),
    }
}

/// Used, reserved and free: they add up to the disk.
fn parts(disk: &Disk) -> [(&'static str, &'static str, ByteSize); 3] {
    let parts = disk.parts();
    [
        (tr("Used"), "bar-used", parts.used),
        (tr("Reserved"), "bar-reserved", parts.reserved),
        (tr("Free"), "bar-schedulable", parts.schedulable),
    ]
}

/// What the devices below say of themselves, in one line; the worst of them decides. None where nothing is known.
fn health(disk: &Disk) -> Option<(Mark, String)> {
    let devices = disk.health_data.values();
    let mark = |status: &str| match status {
        "FAILED" => Mark::Faulted,
        "WARNING" => Mark::Degraded,
        "PASSED" => Mark::Healthy,
        _ => Mark::Idle,
    };
    let rank = |status: &str| ["UNKNOWN", "PASSED", "WARNING", "FAILED"].iter().position(|word| *word == status);
    let worst = devices.clone().max_by_key(|device| rank(&device.health_status))?;
    let line = |device: &DiskHealth| {
        let heat = if device.temperature > 0 { format!(", {} °C", device.temperature) } else { String::new() };
        let name = [device.model_name.as_str(), device.disk_name.as_str()].into_iter().find(|name| !name.is_empty());
        format!("{} {}{heat}", name.unwrap_or(tr("device")), words::disk_health(&device.health_status))
    };
    Some((mark(&worst.health_status), devices.map(line).collect::<Vec<_>>().join(" · ")))
}

/// Figures change all the time, and only what shows them is drawn anew: a menu that is open stays.
#[component]
pub(crate) fn DiskPart(node: Signal<Arc<Node>>, name: String) -> impl IntoView {
    let acts = Acts::expect();
    let disk = {
        let name = name.clone();
        Memo::new(move |_| node.with(|node| node.disks.get(&name).cloned().unwrap_or_default()))
    };
    let bar = move || {
        let disk = disk.get();
        let part = |&(_, colour, size): &(_, _, ByteSize)| Part {
            share: share(size.bytes(), disk.storage_maximum.bytes()),
            colour,
        };
        parts(&disk).iter().map(part).collect::<Vec<_>>()
    };
    let legend = move || {
        let part = |(name, colour, size): (&str, &str, ByteSize)| {
            view! { <div><dt style=format!("--c:var(--{colour})")>{name.to_owned()}</dt><dd>{size.to_string()}</dd></div> }
        };
        parts(&disk.get()).map(part).into_iter().collect_view()
    };
    let cause = |cause: Cause| view! { <Reason cause /> };
    let health = move || {
        health(&disk.get()).map(|(mark, text)| {
            view! {
                <p class="xs health"><span class=format!("dot {}", mark.class())><Shape mark=Signal::stored(mark) /></span>" "{text}</p>
            }
        })
    };
    let promised = move || {
        let disk = disk.get();
        let count = words::count(disk.scheduled_replica.len(), "replica");
        fill("{} promised to {}", &[&disk.storage_scheduled, &count])
    };
    let placed = Memo::new(move |_| disk.with(|disk| disk.scheduled_replica.clone()));
    let path = move || disk.with(|disk| disk.path.clone());
    let tag = |tag: String| view! { <span class="tag">{tag}</span> };
    let entries = {
        let name = name.clone();
        Callback::new(move |()| acts.of_disk(&node.get_untracked(), &name))
    };
    let label = fill("Actions for {}", &[&name]);
    view! {
        <div class="disk" data-testid=format!("disk-{name}")>
            <div class="head">
                <strong>{name.clone()}</strong>
                <span class="xs mono path" title=path>{path}</span>
                {move || disk.get().tags.into_iter().map(tag).collect_view()}
                <span class="right">
                    <Badge
                        mark=Signal::derive(move || disk.with(state).0)
                        text=Signal::derive(move || disk.with(state).1.to_owned())
                    />
                    {move || may_write().then(|| view! { <Menu label=label.clone() entries /> })}
                </span>
            </div>
            {move || view! { <Figures disks=vec![disk.get()] /> }}
            <Bar parts=Signal::derive(bar) />
            <dl class="legend">
                {legend}
                <div><dt class="plain">{tr("Total")}</dt><dd>{move || disk.get().storage_maximum.to_string()}</dd></div>
            </dl>
            {health}
            <details class="placed">
                <summary class="xs">{promised}</summary>
                {move || view! { <PlacedReplicas replicas=placed.get().into_iter().collect() /> }}
            </details>
            <ul class="reasons">{move || disk.get().causes.into_iter().map(cause).collect_view()}</ul>
        </div>
    }
}

/// Replicas by name; each leads to its volume.
#[component]
fn PlacedReplicas(replicas: Vec<(String, u64)>) -> impl IntoView {
    let live = Live::expect();
    let line = move |(replica, bytes): (String, u64)| {
        let owner =
            live.volumes.all().into_iter().find(|volume| volume.replicas.iter().any(|other| other.name == replica));
        let name = match owner {
            Some(volume) => view! { <a href=address::volume(&volume.name)>{volume.name.clone()}</a> }.into_any(),
            None => view! { <span class="mono">{replica}</span> }.into_any(),
        };
        view! { <li>{name}<span class="num dim">{ByteSize(bytes).to_string()}</span></li> }
    };
    view! { <ul class="placed-list">{move || replicas.clone().into_iter().map(line).collect_view()}</ul> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_device_decides() {
        let device = |name: &str, status: &str, temperature| DiskHealth {
            disk_name: name.into(),
            health_status: status.into(),
            temperature,
            ..DiskHealth::default()
        };
        let mut disk = Disk::default();
        assert_eq!(health(&disk), None);
        disk.health_data.insert("sda".into(), device("sda", "PASSED", 35));
        assert_eq!(health(&disk), Some((Mark::Healthy, "sda is healthy, 35 °C".to_owned())));
        disk.health_data.insert("sdb".into(), device("sdb", "FAILED", 0));
        assert_eq!(health(&disk).unwrap().0, Mark::Faulted);
    }

    #[test]
    fn parts_add_up_also_when_the_reservation_is_eaten() {
        for (maximum, available, reserved) in [(100, 60, 30), (100, 10, 30), (100, 0, 0)] {
            let disk = Disk {
                storage_maximum: ByteSize(maximum),
                storage_available: ByteSize(available),
                storage_reserved: ByteSize(reserved),
                ..Disk::default()
            };
            let sum: ByteSize = parts(&disk).into_iter().map(|(_, _, size)| size).sum();
            assert_eq!(sum, ByteSize(maximum));
        }
    }
}
