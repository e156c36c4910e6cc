//! One disk: what is on it, what is promised, what keeps it from being used.

use aurochs_api::node::Disk;
use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use crate::address;
use crate::components::badge::Badge;
use crate::components::bar::{Bar, Part, share};
use crate::live::Live;
use crate::words::{self, Mark};

/// The word for a disk.
fn state(disk: &Disk) -> (Mark, &'static str) {
    match (disk.allow_scheduling, disk.is_schedulable()) {
        (false, _) => (Mark::Idle, "Disabled"),
        (true, true) => (Mark::Healthy, "Schedulable"),
        (true, false) => (Mark::Degraded, "Unschedulable"),
    }
}

/// Used, reserved and free: they add up to the disk.
fn parts(disk: &Disk) -> [(&'static str, &'static str, ByteSize); 3] {
    let used = disk.storage_maximum.saturating_sub(disk.storage_available);
    let reserved = disk.storage_reserved.min(disk.storage_available);
    let free = disk.storage_available.saturating_sub(reserved);
    [("Used", "bar-used", used), ("Reserved", "bar-reserved", reserved), ("Free", "bar-schedulable", free)]
}

#[component]
pub(crate) fn DiskPart(name: String, disk: Disk) -> impl IntoView {
    let (mark, word) = state(&disk);
    let whole = disk.storage_maximum.bytes();
    let bar: Vec<Part> =
        parts(&disk).iter().map(|(_, colour, size)| Part { share: share(size.bytes(), whole), colour }).collect();
    let legend = parts(&disk).into_iter().map(|(name, colour, size)| {
        view! {
            <div><dt style=format!("--c:var(--{colour})")>{name}</dt><dd>{size.to_string()}</dd></div>
        }
    });
    let scheduled =
        format!("{} promised to {}", disk.storage_scheduled, words::count(disk.scheduled_replica.len(), "replica"));
    let causes = disk
        .causes
        .iter()
        .map(|cause| view! { <li>{cause.message.clone()}" "<span class="dim">{cause.next_step.clone()}</span></li> });
    let tags = disk.tags.iter().map(|tag| view! { <span class="tag">{tag.clone()}</span> }).collect_view();
    view! {
        <div class="disk" data-testid=format!("disk-{name}")>
            <div class="head">
                <strong>{name.clone()}</strong>
                <span class="xs mono path" title=disk.path.clone()>{disk.path.clone()}</span>
                {tags}
                <span class="right"><Badge mark=Signal::stored(mark) text=word.to_owned() /></span>
            </div>
            <Bar parts=Signal::stored(bar) />
            <dl class="legend">
                {legend.collect_view()}
                <div><dt class="plain">"Total"</dt><dd>{disk.storage_maximum.to_string()}</dd></div>
            </dl>
            <details class="placed">
                <summary class="xs">{scheduled}</summary>
                <PlacedReplicas replicas=disk.scheduled_replica.into_iter().collect() />
            </details>
            <ul class="reasons">{causes.collect_view()}</ul>
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
