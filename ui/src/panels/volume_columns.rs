//! What the list of volumes shows of a volume, and by what it can be filtered.

use std::collections::BTreeSet;

use aurochs_api::condition::ConditionStatus;
use aurochs_api::volume::phase::{Group, Phase};
use aurochs_api::volume::{Robustness, Volume, VolumeState};
use leptos::prelude::*;

use crate::components::badge::Badge;
use crate::components::bar::{Bar, Part, share};
use crate::components::table::{Choice, Kind, Shown, Value};
use crate::live::Live;
use crate::model::replicas::usable;
use crate::words::{fill, label, tr};
use crate::{address, words};

/// All columns; the first is always there.
pub(crate) fn columns() -> Vec<Shown> {
    let text = |key, label, value| Shown::of::<Volume>(key, label, Kind::Text, value);
    vec![
        text("name", label("Name"), |volume| Value::text(volume.name.as_str())).drawn(name),
        Shown::of::<Volume>("state", label("State"), Kind::State, |volume| {
            let phase = Phase::of(volume);
            Value::State(phase.into(), words::phase(phase).to_owned())
        })
        .drawn(state),
        Shown::of::<Volume>("size", label("Size"), Kind::Bytes, |volume| Value::Bytes(volume.size.bytes())),
        Shown::of::<Volume>("actual", label("Actual size"), Kind::Custom, |volume| match volume.controllers.first() {
            Some(engine) => Value::Bytes(engine.actual_size.bytes()),
            None => Value::None,
        })
        .drawn(actual),
        text("node", label("Attached to"), |volume| Value::text(volume.node())).drawn(node),
        Shown::of::<Volume>("replicas", label("Replicas"), Kind::Number, |volume| {
            let (usable, wished) = usable(volume);
            Value::Text(fill("{} of {}", &[&usable, &wished]))
        })
        .drawn(replicas),
        text("claim", label("PV/PVC"), |volume| Value::text(claim(volume))),
        text("namespace", label("Namespace"), |volume| Value::text(volume.kubernetes_status.namespace.as_str()))
            .hidden(),
        Shown::of::<Volume>("backup", label("Last backup"), Kind::Time, |volume| {
            Value::Time(volume.last_backup_at.clone())
        })
        .hidden(),
        Shown::of::<Volume>("created", label("Created"), Kind::Time, |volume| Value::Time(volume.created.clone())),
        text("engine", label("Data engine"), |volume| Value::text(volume.data_engine.as_str())).hidden(),
        text("schedule", label("Schedule"), |volume| Value::text(schedule(volume))).hidden(),
        text("locality", label("Data locality"), |volume| {
            Value::text(words::data_locality(volume.data_locality.word()))
        })
        .hidden(),
        text("access", label("Access mode"), |volume| Value::text(words::access_mode(volume.access_mode.word())))
            .hidden(),
        text("offline", label("Offline rebuilding"), |volume| Value::text(volume.offline_rebuilding.word())).hidden(),
        Shown::of::<Volume>("bandwidth", label("Rebuild bandwidth (MB/s)"), Kind::Number, |volume| {
            match volume.replica_rebuilding_bandwidth_limit {
                0 => Value::None,
                #[expect(clippy::cast_precision_loss, reason = "megabytes a second are far below 2^52")]
                limit => Value::Number(limit as f64),
            }
        })
        .hidden(),
        text("target", label("Backup target"), |volume| Value::text(volume.backup_target_name.as_str())).hidden(),
        text("image", label("Engine image"), |volume| Value::text(volume.current_image.as_str())).hidden(),
    ]
}

/// Longhorn's filters. The state stands above the list as chips.
pub(crate) fn filters() -> Vec<Choice> {
    let text = |key, label, matches| Choice::of::<Volume>(key, label, Vec::new, matches);
    vec![
        Choice::of::<Volume>("status", label("State"), states, |volume, key| Phase::of(volume).group().key() == key)
            .outside(),
        text("name", label("Name"), |volume, word| has(&volume.name, word)),
        text("node", label("Node"), |volume, word| {
            has(volume.node(), word) || volume.replicas.iter().any(|replica| has(&replica.host_id, word))
        }),
        text("namespace", label("Namespace"), |volume, word| has(&volume.kubernetes_status.namespace, word)),
        text("pv", label("PV name"), |volume, word| has(&volume.kubernetes_status.pv_name, word)),
        text("pvc", label("PVC name"), |volume, word| has(&volume.kubernetes_status.pvc_name, word)),
        Choice::of::<Volume>("pv-status", label("PV status"), pv_states, |volume, key| {
            let status = &volume.kubernetes_status.pv_status;
            if key == "none" { status.is_empty() } else { status.eq_ignore_ascii_case(key) }
        }),
        text("node-tag", label("Node tag"), |volume, word| volume.node_selector.iter().any(|tag| has(tag, word))),
        text("disk-tag", label("Disk tag"), |volume, word| volume.disk_selector.iter().any(|tag| has(tag, word))),
        Choice::of::<Volume>("redundancy", label("Node redundancy"), redundancies, |volume, key| {
            redundancy(volume) == Some(key)
        }),
        Choice::of::<Volume>("upgradable", label("Engine upgradable"), yes_no, |volume, key| {
            says(is_upgradable(volume), key)
        }),
        Choice::of::<Volume>("scheduled", label("Recurring jobs"), yes_no, |volume, key| {
            says(!volume.recurring_job_selector.is_empty(), key)
        }),
        Choice::of::<Volume>("revision-off", label("Revision counter off"), yes_no, |volume, key| {
            says(volume.revision_counter_disabled, key)
        }),
    ]
}

fn has(text: &str, word: &str) -> bool {
    text.to_lowercase().contains(&word.to_lowercase())
}

fn says(is: bool, key: &str) -> bool {
    (key == "yes") == is
}

fn states() -> Vec<(String, String)> {
    Group::ALL.into_iter().map(|group| (group.key().to_owned(), words::group(group).to_owned())).collect()
}

fn yes_no() -> Vec<(String, String)> {
    vec![("yes".to_owned(), tr("Yes").to_owned()), ("no".to_owned(), tr("No").to_owned())]
}

fn pv_states() -> Vec<(String, String)> {
    vec![
        ("none".to_owned(), tr("None").to_owned()),
        ("available".to_owned(), tr("Available").to_owned()),
        ("bound".to_owned(), tr("Bound").to_owned()),
        ("released".to_owned(), tr("Released").to_owned()),
    ]
}

fn redundancies() -> Vec<(String, String)> {
    vec![
        ("yes".to_owned(), tr("Yes").to_owned()),
        ("limited".to_owned(), tr("Fewer nodes than replicas").to_owned()),
        ("no".to_owned(), tr("All on one node").to_owned()),
    ]
}

/// On how many nodes the usable replicas are; none while there are none.
fn redundancy(volume: &Volume) -> Option<&'static str> {
    let usable: Vec<&str> = volume
        .replicas
        .iter()
        .filter(|replica| replica.failed_at.is_empty() && !replica.host_id.is_empty())
        .map(|replica| replica.host_id.as_str())
        .collect();
    let nodes: BTreeSet<&str> = usable.iter().copied().collect();
    match (nodes.len(), usable.len()) {
        (_, 0) => None,
        (1, _) => Some("no"),
        (nodes, replicas) if nodes < replicas => Some("limited"),
        _ => Some("yes"),
    }
}

/// An older version of the engine runs it than new volumes get.
fn is_upgradable(volume: &Volume) -> bool {
    let default = Live::expect().settings.row("default-engine-image").map(|row| row.get_untracked().value.clone());
    let default = default.unwrap_or_default();
    let steady = match volume.state {
        VolumeState::Attached => volume.robustness == Robustness::Healthy,
        VolumeState::Detached => volume.robustness != Robustness::Faulted,
        _ => false,
    };
    steady && !default.is_empty() && !volume.current_image.is_empty() && volume.current_image != default
}

fn claim(volume: &Volume) -> String {
    let kubernetes = &volume.kubernetes_status;
    match (kubernetes.pv_name.as_str(), kubernetes.pvc_name.as_str()) {
        (pv, "") => pv.to_owned(),
        ("", pvc) => pvc.to_owned(),
        (pv, pvc) => format!("{pv} / {pvc}"),
    }
}

fn schedule(volume: &Volume) -> String {
    volume.recurring_job_selector.iter().map(|job| job.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn name(volume: &Volume) -> AnyView {
    view! { <a href=address::volume(&volume.name)>{volume.name.clone()}</a> }.into_any()
}

/// The state, and what else is to be known at a glance.
fn state(volume: &Volume) -> AnyView {
    let phase = Phase::of(volume);
    let scheduled =
        volume.conditions.get("Scheduled").is_none_or(|condition| condition.status != ConditionStatus::False);
    let tags = [
        (!scheduled, label("no place"), label("A replica has no place")),
        (
            redundancy(volume) == Some("no") && volume.number_of_replicas > 1,
            label("one node"),
            label("All replicas are on one node"),
        ),
        (volume.restore_required, label("restoring"), label("Data comes from a backup")),
        (volume.standby, label("standby"), label("It follows a backup volume")),
        (volume.encrypted, label("encrypted"), label("Its data is encrypted")),
        (is_upgradable(volume), label("upgradable"), label("A newer engine is there")),
    ];
    let tag = |(_, word, why): (bool, &'static str, &'static str)| view! { <span class="tag" title=tr(why)>{tr(word)}</span> };
    view! {
        <Badge mark=Signal::stored(phase.into()) text=Signal::stored(words::phase(phase).to_owned()) />
        {tags.into_iter().filter(|(is, _, _)| *is).map(tag).collect_view()}
    }
    .into_any()
}

/// Bytes on disk, and how much of the size that is.
fn actual(volume: &Volume) -> AnyView {
    let Some(engine) = volume.controllers.first() else { return "–".into_any() };
    let part = Part { share: share(engine.actual_size.bytes(), volume.size.bytes()), colour: "bar-used" };
    view! { <span class="amount">{engine.actual_size.to_string()}</span><Bar parts=Signal::stored(vec![part]) thin=true /> }.into_any()
}

fn node(volume: &Volume) -> AnyView {
    if volume.node().is_empty() {
        return "–".into_any();
    }
    let maintenance = volume.disable_frontend.then(|| view! { <span class="tag">{tr("maintenance")}</span> });
    view! { {volume.node().to_owned()}{maintenance} }.into_any()
}

fn replicas(volume: &Volume) -> AnyView {
    let (usable, wished) = usable(volume);
    let short = usable < wished as usize;
    view! { <span class:short=short>{fill("{} of {}", &[&usable, &wished])}</span> }.into_any()
}

#[cfg(test)]
mod tests {
    use aurochs_api::replica::Replica;

    use super::*;

    #[test]
    fn redundancy_counts_nodes_of_usable_replicas() {
        let on = |nodes: &[&str]| {
            let replica = |node: &&str| Replica { host_id: (*node).to_owned(), ..Replica::default() };
            Volume { replicas: nodes.iter().map(replica).collect(), ..Volume::default() }
        };
        for (nodes, wanted) in [
            (&[][..], None),
            (&["a"], Some("no")),
            (&["a", "a"], Some("no")),
            (&["a", "a", "b"], Some("limited")),
            (&["a", "b"], Some("yes")),
        ] {
            assert_eq!(redundancy(&on(nodes)), wanted, "{nodes:?}");
        }
        let mut failed = on(&["a", "b"]);
        failed.replicas[1].failed_at = "2026-01-01T00:00:00Z".to_owned();
        assert_eq!(redundancy(&failed), Some("no"));
    }

    #[test]
    fn keys_stand_in_addresses_once() {
        let columns: BTreeSet<&str> = columns().iter().map(|column| column.key).collect();
        assert_eq!(columns.len(), 18);
        let filters: BTreeSet<&str> = filters().iter().map(|filter| filter.key).collect();
        assert_eq!(filters.len(), 13);
    }
}
