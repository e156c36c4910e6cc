//! What would happen, in tables.

use aurochs_api::size::ByteSize;
use aurochs_api::volume::Robustness;
use aurochs_api::whatif::{Moment, MoveKind, Verdict, WhatIf, WhatIfDisk, WhatIfMove, WhatIfVolume};

use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::table::{Cell, Column, Tone};

const VOLUMES: &[Column] = &[
    Column::text("VOLUME"),
    Column::number("WHOLE NOW"),
    Column::number("MEANWHILE"),
    Column::number("AFTERWARDS"),
    Column::number("WISHED"),
    Column::text("THEN"),
    Column::text("NOTES"),
];
const MOVES: &[Column] = &[
    Column::text("VOLUME"),
    Column::text("WHAT"),
    Column::text("FROM"),
    Column::text("TO"),
    Column::number("COPIES"),
    Column::text("WHEN"),
];
const DISKS: &[Column] = &[
    Column::text("NODE"),
    Column::text("DISK"),
    Column::text("REPLICAS"),
    Column::text("SCHEDULED"),
    Column::text("AVAILABLE"),
    Column::text("AFTERWARDS"),
];

pub(super) fn show(client: &Client, answer: &WhatIf) -> Result<(), Failure> {
    let output = &client.output;
    let size = |bytes: u64| if bytes == 0 { String::new() } else { ByteSize(bytes).to_string() };
    let freed = match (answer.bytes_freed_minimum, answer.bytes_freed_maximum) {
        (0, 0) => String::new(),
        (least, most) if least == most => ByteSize(most).to_string(),
        (least, most) => format!("{} to {}", ByteSize(least), ByteSize(most)),
    };
    let verdict = match answer.verdict {
        Verdict::Fine => "fine: everything is as wished afterwards",
        Verdict::Incomplete => "incomplete: something is worse than wished afterwards",
        Verdict::Refused => "refused as things are",
        Verdict::DataLoss => "DATA LOSS: data is lost or can't be reached any more",
    };
    output.facts(&[
        ("Verdict", verdict.to_owned()),
        ("Summary", answer.summary.clone()),
        ("To copy", size(answer.bytes_to_copy)),
        ("Given back", freed),
    ])?;
    output.causes(&answer.obstacles)?;
    if !answer.volumes.is_empty() {
        output.heading("VOLUMES")?;
        output.table(VOLUMES, answer.volumes.iter().map(volume).collect())?;
    }
    let moves: Vec<Vec<Cell>> =
        answer.volumes.iter().flat_map(|volume| volume.moves.iter().map(|step| replica(volume, step))).collect();
    if !moves.is_empty() {
        output.heading("REPLICAS")?;
        output.table(MOVES, moves)?;
    }
    if !answer.disks.is_empty() {
        output.heading("DISKS")?;
        output.table(DISKS, answer.disks.iter().map(disk).collect())?;
    }
    answer.volumes.iter().try_for_each(|volume| output.causes(&volume.causes))?;
    if answer.volumes_left_out > 0 {
        output.aside(&format!("{} more volumes are in -o json only as a number.", answer.volumes_left_out));
    }
    Ok(())
}

fn volume(volume: &WhatIfVolume) -> Vec<Cell> {
    let (word, tone) = match volume.robustness_after {
        _ if volume.deleted => ("deleted", Tone::Warning),
        Robustness::Healthy => ("healthy", Tone::Good),
        Robustness::Degraded => ("degraded", Tone::Warning),
        Robustness::Faulted => ("faulted", Tone::Bad),
        Robustness::Unknown => ("unknown", Tone::Dim),
    };
    let said =
        [(volume.interrupted, "its users lose it"), (volume.last_healthy_replica, "the only whole replica is there")];
    let said = said.into_iter().filter(|(is, _)| *is).map(|(_, words)| words.to_owned());
    // Sentences elsewhere, and parts of one here.
    let told = volume.notes.iter().map(|note| note.trim_end_matches('.').to_owned());
    let notes: Vec<String> = said.chain(told).collect();
    vec![
        volume.name.clone().into(),
        volume.healthy_before.to_string().into(),
        volume.healthy_meanwhile.to_string().into(),
        volume.healthy_after.to_string().into(),
        volume.replicas_wished.to_string().into(),
        Cell::new(word, tone),
        notes.join("; ").into(),
    ]
}

fn replica(volume: &WhatIfVolume, step: &WhatIfMove) -> Vec<Cell> {
    let place = |node: &str, disk: &str| if node.is_empty() { String::new() } else { format!("{node}/{disk}") };
    let (what, tone) = match step.kind {
        MoveKind::Add => ("new replica", Tone::Plain),
        MoveKind::Rebuild => ("rebuild", Tone::Plain),
        MoveKind::Remove => ("remove", Tone::Plain),
        MoveKind::Lose => ("lose", Tone::Bad),
    };
    let when = match step.when {
        Moment::Now => "at once",
        Moment::WhenAttached => "when attached next",
        Moment::AfterWaiting => "after replica-replenishment-wait-interval",
    };
    vec![
        volume.name.clone().into(),
        Cell::new(what, tone),
        place(&step.from_node, &step.from_disk).into(),
        place(&step.to_node, &step.to_disk).into(),
        if step.bytes == 0 { Cell::default() } else { ByteSize(step.bytes).to_string().into() },
        when.into(),
    ]
}

fn disk(disk: &WhatIfDisk) -> Vec<Cell> {
    let change = |before: u64, after: u64| format!("{} -> {}", ByteSize(before), ByteSize(after));
    vec![
        disk.node.clone().into(),
        disk.disk.clone().into(),
        format!("{} -> {}", disk.replicas_before, disk.replicas_after).into(),
        change(disk.scheduled_before, disk.scheduled_after).into(),
        change(disk.available_before, disk.available_after).into(),
        if disk.refuses_after.is_empty() {
            "takes replicas".into()
        } else {
            Cell::new(disk.refuses_after.clone(), Tone::Warning)
        },
    ]
}
