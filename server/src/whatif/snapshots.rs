//! A snapshot is deleted: what of its space comes back.
//!
//! A layer's size is what it alone holds. Merging it into the one above frees what both hold: at least as much as the two
//! would have beyond the size of the volume, at most the smaller of the two.

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::size::ByteSize;
use aurochs_api::snapshot::Snapshot as Layer;
use aurochs_api::whatif::{Moment, Question, WhatIf};

use super::picture::Picture;
use super::tally::{Circumstances, Tally};
use crate::controllers::snapshot::{Fate, fate};
use crate::controllers::volume::foresee::Future;
use crate::error::ApiError;
use crate::settings::Name;

/// At least and at most, on one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Freed {
    pub(super) minimum: ByteSize,
    pub(super) maximum: ByteSize,
}

/// `deleteSnapshot`
pub(super) fn deleted(question: &Question, picture: &Picture) -> Result<WhatIf, ApiError> {
    let volume = picture.volume(&question.volume)?;
    if question.snapshot.is_empty() {
        return Err(super::missing("snapshot", "change=deleteSnapshot&volume=data&snapshot=before-upgrade"));
    }
    let layers = picture.engines.get(volume.name()).map(|engine| &engine.status.snapshots);
    let layer = layers.and_then(|layers| layers.get(&question.snapshot)).filter(|layer| layer.name != VOLUME_HEAD);
    let layer = layer.ok_or_else(|| ApiError::not_found("snapshot", &question.snapshot))?;
    let size_of = |name: &str| layers.and_then(|layers| layers.get(name)).map(|layer| layer.size).unwrap_or_default();
    let fate = fate(&layer.children);
    let freed = freed(layer, volume.spec.size, fate, &size_of);

    let (scene, mut tally) = (picture.scene_now(), Tally::new(picture));
    let whole_before = picture.prospect(volume).whole().clone();
    let count = whole_before.len() as u64;
    let all = |bytes: ByteSize| ByteSize(bytes.bytes().saturating_mul(count));
    let (mut minimum, maximum) = (all(freed.minimum), all(freed.maximum));
    if picture.settings.flag(Name::DisableSnapshotPurge) {
        minimum = ByteSize::ZERO;
        let message = "The setting disable-snapshot-purge keeps what is marked removed.";
        let next_step = "Set it to false, then the space comes back.";
        tally.obstacle(Cause::new(CauseCode::SnapshotNotDeletable, Severity::Warning, message, next_step));
    }
    tally.free(minimum, maximum);
    let mut around = Circumstances::new(volume.spec.number_of_replicas, Moment::Now);
    around.notes.extend(note(layer, fate));
    let whole_after = whole_before.len();
    tally.add(volume, Future { whole_before, whole_after, ..Future::default() }, around);
    Ok(tally.done(&scene, |_| {
        let replicas = super::tally::counted(whole_after, "replica");
        let name = &layer.name;
        match (minimum, maximum) {
            (_, ByteSize::ZERO) => format!("Deleting {name} would free nothing now."),
            (least, most) if least == most => format!("Deleting {name} would free {most} on {replicas} together."),
            (least, most) => {
                format!("Deleting {name} would free between {least} and {most} on {replicas} together.")
            }
        }
    }))
}

fn freed(layer: &Layer, volume: ByteSize, fate: Fate, size_of: &dyn Fn(&str) -> ByteSize) -> Freed {
    match (fate, layer.children.keys().next()) {
        (Fate::Branches, _) => Freed::default(),
        (_, None) => Freed { minimum: layer.size, maximum: layer.size },
        // Below the head, too: what the head hides is freed; the rest of the layer stays for it.
        (Fate::Mergeable | Fate::BelowHead, Some(child)) => overlap(layer.size, size_of(child), volume),
    }
}

fn overlap(below: ByteSize, above: ByteSize, volume: ByteSize) -> Freed {
    let maximum = below.min(above);
    let minimum = below.saturating_add(above).saturating_sub(volume).min(maximum);
    Freed { minimum, maximum }
}

fn note(layer: &Layer, fate: Fate) -> Option<String> {
    let name = &layer.name;
    match fate {
        Fate::Mergeable => None,
        Fate::BelowHead => Some(format!("{name} is below the head: it goes when another snapshot has been taken.")),
        Fate::Branches => {
            Some(format!("Several snapshots stand on {name}: it stays until all but one of them are gone."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_snapshot_gives_back() {
        let layer = |size: u64, children: &[&str]| Layer {
            name: "s".into(),
            size: ByteSize(size),
            children: children.iter().map(|child| ((*child).to_owned(), true)).collect(),
            ..Layer::default()
        };
        // (size, children, size of the child, at least, at most) of a volume with 100
        for (size, children, child, minimum, maximum) in [
            (40, &[][..], 0, 40, 40),
            (40, &["t"], 30, 0, 30),
            (80, &["t"], 50, 30, 50),
            (100, &["t"], 100, 100, 100),
            (10, &["t"], 0, 0, 0),
            (80, &["volume-head"], 50, 30, 50),
            (80, &["t", "u"], 50, 0, 0),
        ] {
            let layer = layer(size, children);
            let found = freed(&layer, ByteSize(100), fate(&layer.children), &|_| ByteSize(child));
            let expected = Freed { minimum: ByteSize(minimum), maximum: ByteSize(maximum) };
            assert_eq!(found, expected, "{size} {children:?} {child}");
        }
    }
}
