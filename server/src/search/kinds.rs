//! What of each kind can be found, and how a result of it reads.

use std::collections::BTreeMap;

use aurochs_api::cause::Severity;
use aurochs_api::search::{Found, FoundKind};
use aurochs_api::volume::{Robustness, VolumeState};

use super::entry::{Entry, Text, Weight};
use super::settings as table;
use super::shelf::{Part, Place};
use super::words::Words;
use crate::resources::backup::{LABEL_BACKUP_TARGET, LABEL_BACKUP_VOLUME};
use crate::resources::node::READY;
use crate::resources::snapshot::visible_labels;
use crate::resources::{
    BackingImage, Backup, EngineImage, Kind, Node, Object, Orphan, RecurringJob, Snapshot, Volume, condition, timestamp,
};
use crate::settings::{self, Settings};
use crate::store::{Store, StoreError};
use crate::view::envelope::plural;

/// A kind whose objects can be found.
pub(super) trait Searched: Kind {
    /// What its objects and their parts are.
    const KINDS: &'static [FoundKind];

    /// The texts besides the name.
    fn texts(object: &Object<Self>) -> Vec<Text>;

    fn weight(object: &Object<Self>) -> Weight;

    /// The object, and its parts.
    fn parts(object: &Object<Self>) -> Vec<Part> {
        let entry = Entry::new(object.name(), &Self::texts(object), Self::weight(object));
        vec![Part { kind: Self::KINDS[0], part: String::new(), entry }]
    }

    /// The result, without what matched.
    fn tell(object: &Object<Self>, place: &Place) -> Found;
}

/// How a place reads; none when it is gone meanwhile.
pub(super) async fn tell(
    store: &Store,
    settings: &Settings,
    place: &Place,
    words: &Words,
) -> Result<Option<Found>, StoreError> {
    match place.kind {
        FoundKind::Volume => of::<Volume>(store, place, words).await,
        FoundKind::Node | FoundKind::Disk => of::<Node>(store, place, words).await,
        FoundKind::Snapshot => of::<Snapshot>(store, place, words).await,
        FoundKind::Backup => of::<Backup>(store, place, words).await,
        FoundKind::RecurringJob => of::<RecurringJob>(store, place, words).await,
        FoundKind::EngineImage => of::<EngineImage>(store, place, words).await,
        FoundKind::BackingImage => of::<BackingImage>(store, place, words).await,
        FoundKind::Orphan => of::<Orphan>(store, place, words).await,
        FoundKind::Setting => Ok(setting(settings, place, words)),
    }
}

async fn of<K: Searched>(store: &Store, place: &Place, words: &Words) -> Result<Option<Found>, StoreError> {
    let Some(object) = store.find::<K>(&place.object).await? else { return Ok(None) };
    let found = K::tell(&object, place);
    let texts = if place.kind == FoundKind::Disk { Vec::new() } else { K::texts(&object) };
    Ok(Some(Found { kind: place.kind, matched: matched(words, &found.name, &texts), ..found }))
}

fn setting(settings: &Settings, place: &Place, words: &Words) -> Option<Found> {
    let row = settings::definition(&place.object)?;
    let name = row.name.word().to_owned();
    Some(Found {
        kind: FoundKind::Setting,
        context: format!("{}: {}", row.title, settings.text(row.name)),
        matched: matched(words, &name, &table::texts(row)),
        address: address("setting", &name),
        name,
        ..Found::default()
    })
}

fn matched(words: &Words, name: &str, texts: &[Text]) -> String {
    let Some(text) = words.reason(name, texts) else { return String::new() };
    if text.what.is_empty() { text.text.clone() } else { format!("{} {}", text.what, text.text) }
}

fn address(kind: &str, name: &str) -> String {
    format!("/v1/{}/{name}", plural(kind))
}

fn labels(labels: &BTreeMap<String, String>) -> impl Iterator<Item = Text> {
    labels.iter().map(|(key, value)| Text::new("label", format!("{key}={value}")))
}

fn seconds(moment: &str) -> i64 {
    timestamp::parse(moment).map_or(0, time::OffsetDateTime::unix_timestamp)
}

/// The parts that say something, with commas between them.
fn line(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(", ")
}

// === kinds ===

impl Searched for Volume {
    const KINDS: &'static [FoundKind] = &[FoundKind::Volume];

    fn texts(volume: &Object<Self>) -> Vec<Text> {
        let kubernetes = &volume.status.kubernetes_status;
        let mut texts = vec![
            Text::new("claim", &kubernetes.pvc_name),
            Text::new("persistent volume", &kubernetes.pv_name),
            Text::new("namespace", &kubernetes.namespace),
        ];
        for workload in kubernetes.workloads_status.iter().flatten() {
            texts.push(Text::new("pod", &workload.pod_name));
            texts.push(Text::new("workload", &workload.workload_name));
        }
        texts.push(Text::new("node", &volume.status.current_node_id));
        texts.push(Text::new("made from", &volume.spec.data_source));
        texts.extend(labels(&volume.metadata.labels));
        texts.retain(|text| !text.text.is_empty());
        texts
    }

    fn weight(volume: &Object<Self>) -> Weight {
        let attention = match volume.status.robustness {
            Robustness::Faulted => 3,
            Robustness::Degraded => 2,
            Robustness::Healthy | Robustness::Unknown => u8::from(!volume.status.causes.is_empty()),
        };
        Weight { attention, since: seconds(&volume.metadata.creation_timestamp) }
    }

    fn tell(volume: &Object<Self>, _: &Place) -> Found {
        let status = &volume.status;
        let state = match status.state {
            VolumeState::Attached => format!("attached to {}", status.current_node_id),
            VolumeState::Detached => "detached".to_owned(),
            VolumeState::Creating => "being created".to_owned(),
            VolumeState::Attaching => "being attached".to_owned(),
            VolumeState::Detaching => "being detached".to_owned(),
            VolumeState::Deleting => "being deleted".to_owned(),
        };
        let robustness = match status.robustness {
            Robustness::Unknown => "",
            Robustness::Healthy => "healthy",
            Robustness::Degraded => "degraded",
            Robustness::Faulted => "faulted",
        };
        let kubernetes = &status.kubernetes_status;
        let claim = match kubernetes.pvc_name.as_str() {
            "" => String::new(),
            claim => format!("{}/{claim}", kubernetes.namespace),
        };
        Found {
            name: volume.name().to_owned(),
            context: line(&[&state, robustness, &volume.spec.size.to_string(), &claim]),
            address: address("volume", volume.name()),
            ..Found::default()
        }
    }
}

impl Searched for Node {
    const KINDS: &'static [FoundKind] = &[FoundKind::Node, FoundKind::Disk];

    fn texts(node: &Object<Self>) -> Vec<Text> {
        let mut texts = vec![Text::new("zone", &node.status.zone), Text::new("region", &node.status.region)];
        texts.extend(node.spec.tags.iter().map(|tag| Text::new("tag", tag)));
        texts.extend(labels(&node.metadata.labels));
        texts.retain(|text| !text.text.is_empty());
        texts
    }

    fn weight(node: &Object<Self>) -> Weight {
        let is_down = !condition::is_true(&node.status.conditions, READY);
        let attention = if is_down { 3 } else { u8::from(!node.status.causes.is_empty()) };
        Weight { attention, since: seconds(&node.metadata.creation_timestamp) }
    }

    fn parts(node: &Object<Self>) -> Vec<Part> {
        let whole = Entry::new(node.name(), &Self::texts(node), Self::weight(node));
        let mut parts = vec![Part { kind: FoundKind::Node, part: String::new(), entry: whole }];
        for (name, disk) in &node.spec.disks {
            let status = node.status.disk_status.get(name);
            let mut texts = vec![Text::new("path", &disk.path)];
            texts.extend(status.map(|status| Text::new("uuid", &status.disk_uuid)));
            texts.push(Text::new("node", node.name()));
            texts.extend(disk.tags.iter().map(|tag| Text::new("tag", tag)));
            let is_bad = status.is_none_or(|status| !condition::is_true(&status.conditions, READY));
            let weight = Weight { attention: if is_bad { 2 } else { 0 }, since: 0 };
            parts.push(Part { kind: FoundKind::Disk, part: name.clone(), entry: Entry::new(name, &texts, weight) });
        }
        parts
    }

    fn tell(node: &Object<Self>, place: &Place) -> Found {
        let own = Found { address: address("node", node.name()), ..Found::default() };
        if place.kind == FoundKind::Disk {
            let disk = node.spec.disks.get(&place.part);
            let status = node.status.disk_status.get(&place.part);
            let free = status.map(|status| format!("{} of {} free", status.storage_available, status.storage_maximum));
            let context = line(&[disk.map_or("", |disk| &disk.path), node.name(), &free.unwrap_or_default()]);
            let name = format!("{}/{}", node.name(), place.part);
            return Found { name, context, owner: node.name().to_owned(), ..own };
        }
        let ready = if condition::is_true(&node.status.conditions, READY) { "ready" } else { "not ready" };
        let scheduling = if node.spec.allow_scheduling { "" } else { "scheduling off" };
        let context = line(&[ready, scheduling, &node.status.zone]);
        Found { name: node.name().to_owned(), context, ..own }
    }
}

impl Searched for Snapshot {
    const KINDS: &'static [FoundKind] = &[FoundKind::Snapshot];

    fn texts(snapshot: &Object<Self>) -> Vec<Text> {
        let of_layer = visible_labels(Some(&snapshot.status.labels));
        let mut texts = vec![Text::new("volume", &snapshot.spec.volume)];
        texts.extend(labels(&snapshot.spec.labels));
        texts.extend(labels(&of_layer).filter(|text| !text.text.is_empty()));
        texts
    }

    fn weight(snapshot: &Object<Self>) -> Weight {
        Weight {
            attention: u8::from(!snapshot.status.error.is_empty()),
            since: seconds(&snapshot.status.creation_time),
        }
    }

    fn tell(snapshot: &Object<Self>, _: &Place) -> Found {
        let status = &snapshot.status;
        let taken = if status.user_created { "taken" } else { "taken by the system" };
        let when = if status.creation_time.is_empty() { "not taken yet" } else { &status.creation_time };
        Found {
            name: snapshot.name().to_owned(),
            context: line(&[
                &format!("of {}", snapshot.spec.volume),
                &format!("{taken} {when}"),
                &status.size.to_string(),
            ]),
            address: address("volume", &snapshot.spec.volume),
            owner: snapshot.spec.volume.clone(),
            ..Found::default()
        }
    }
}

impl Searched for Backup {
    const KINDS: &'static [FoundKind] = &[FoundKind::Backup];

    fn texts(backup: &Object<Self>) -> Vec<Text> {
        let mut texts = vec![
            Text::new("volume", volume_of(backup)),
            Text::new("snapshot", &backup.status.snapshot_name),
            Text::new("target", backup.metadata.labels.get(LABEL_BACKUP_TARGET).map_or("", String::as_str)),
            Text::new("", &backup.status.url),
        ];
        texts.extend(labels(&backup.status.labels));
        texts.retain(|text| !text.text.is_empty());
        texts
    }

    fn weight(backup: &Object<Self>) -> Weight {
        let since = seconds(&backup.status.backup_created_at);
        Weight { attention: u8::from(!backup.status.error.is_empty()), since }
    }

    fn tell(backup: &Object<Self>, _: &Place) -> Found {
        let volume = volume_of(backup);
        Found {
            name: backup.name().to_owned(),
            context: line(&[&format!("of {volume}"), &backup.status.backup_created_at, &backup.status.error]),
            address: address("backup", backup.name()),
            owner: volume.to_owned(),
            ..Found::default()
        }
    }
}

fn volume_of(backup: &Object<Backup>) -> &str {
    match backup.status.volume_name.as_str() {
        "" => backup.metadata.labels.get(LABEL_BACKUP_VOLUME).map_or("", String::as_str),
        volume => volume,
    }
}

impl Searched for RecurringJob {
    const KINDS: &'static [FoundKind] = &[FoundKind::RecurringJob];

    fn texts(job: &Object<Self>) -> Vec<Text> {
        let mut texts = vec![Text::new("cron", &job.spec.cron)];
        texts.extend(job.spec.groups.iter().map(|group| Text::new("group", group)));
        texts.extend(labels(&job.spec.labels));
        texts
    }

    fn weight(job: &Object<Self>) -> Weight {
        Weight { attention: 0, since: seconds(&job.metadata.creation_timestamp) }
    }

    fn tell(job: &Object<Self>, _: &Place) -> Found {
        Found {
            name: job.name().to_owned(),
            context: line(&[&job.spec.cron, &job.spec.groups.join(" ")]),
            address: address("recurringJob", job.name()),
            ..Found::default()
        }
    }
}

impl Searched for EngineImage {
    const KINDS: &'static [FoundKind] = &[FoundKind::EngineImage];

    fn texts(image: &Object<Self>) -> Vec<Text> {
        vec![Text::new("image", &image.spec.image)]
    }

    fn weight(image: &Object<Self>) -> Weight {
        Weight { attention: u8::from(image.status.incompatible), since: seconds(&image.metadata.creation_timestamp) }
    }

    fn tell(image: &Object<Self>, _: &Place) -> Found {
        Found {
            name: image.name().to_owned(),
            context: image.spec.image.clone(),
            address: address("engineImage", image.name()),
            ..Found::default()
        }
    }
}

impl Searched for BackingImage {
    const KINDS: &'static [FoundKind] = &[FoundKind::BackingImage];

    fn texts(image: &Object<Self>) -> Vec<Text> {
        let status = &image.status;
        vec![Text::new("uuid", &status.uuid), Text::new("checksum", &status.checksum)]
    }

    fn weight(image: &Object<Self>) -> Weight {
        let attention = u8::from(image.status.causes.iter().any(|cause| cause.severity == Severity::Error));
        Weight { attention, since: seconds(&image.metadata.creation_timestamp) }
    }

    fn tell(image: &Object<Self>, _: &Place) -> Found {
        Found {
            name: image.name().to_owned(),
            context: line(&[&image.status.virtual_size.to_string()]),
            address: address("backingImage", image.name()),
            ..Found::default()
        }
    }
}

impl Searched for Orphan {
    const KINDS: &'static [FoundKind] = &[FoundKind::Orphan];

    fn texts(orphan: &Object<Self>) -> Vec<Text> {
        let mut texts = vec![Text::new("node", &orphan.spec.node_id)];
        texts.extend(orphan.spec.parameters.values().map(|value| Text::new("", value)));
        texts
    }

    fn weight(orphan: &Object<Self>) -> Weight {
        Weight { attention: 0, since: seconds(&orphan.metadata.creation_timestamp) }
    }

    fn tell(orphan: &Object<Self>, _: &Place) -> Found {
        let parameters: Vec<&str> = orphan.spec.parameters.values().map(String::as_str).collect();
        Found {
            name: orphan.name().to_owned(),
            context: line(&[&format!("on {}", orphan.spec.node_id), &parameters.join(" ")]),
            address: address("orphan", orphan.name()),
            owner: orphan.spec.node_id.clone(),
            ..Found::default()
        }
    }
}
