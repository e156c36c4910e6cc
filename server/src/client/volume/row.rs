//! A volume as a row, and its facts.

use aurochs_api::cause::Cause;
use aurochs_api::replica::ReplicaMode;
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::{RecurringJobRef, Robustness, Volume, VolumeState};

use crate::client::table::{Cell, Column, Tone};
use crate::client::{age, causes, list::Listed};

impl Listed for Volume {
    const COLUMNS: &'static [Column] = &[
        Column::text("NAME"),
        Column::text("STATE"),
        Column::text("ROBUSTNESS"),
        Column::number("SIZE"),
        Column::number("ACTUAL").spare(),
        Column::text("NODE"),
        Column::number("REPLICAS"),
        Column::text("FRONTEND").wide(),
        Column::text("ACCESS").wide(),
        Column::text("LOCALITY").wide(),
        Column::text("DEVICE").wide(),
        Column::number("AGE").spare(),
        Column::text("CAUSE"),
    ];
    const NONE: &'static str = "There are no volumes. `aurochs volume create NAME --size 10Gi` makes one.";

    fn row(thing: &Resource<Self>) -> Vec<Cell> {
        let volume = &thing.data;
        vec![
            volume.name.clone().into(),
            Cell::new(state(volume.state), state_tone(volume.state)),
            Cell::new(robustness(volume.robustness), robustness_tone(volume.robustness)),
            volume.size.to_string().into(),
            held(volume.actual_size()).into(),
            volume.node().into(),
            replicas(volume),
            volume.frontend.word().into(),
            volume.access_mode.word().into(),
            volume.data_locality.word().into(),
            volume.endpoint().into(),
            age::short(&volume.created).into(),
            causes::cell(&volume.causes),
        ]
    }

    fn facts(thing: &Resource<Self>) -> Vec<(&'static str, String)> {
        let volume = &thing.data;
        let mut facts = vec![
            ("Name", volume.name.clone()),
            ("State", format!("{}, {}", state(volume.state), robustness(volume.robustness))),
            ("Size", volume.size.to_string()),
            ("Held", held(volume.actual_size())),
            ("Node", volume.node().to_owned()),
            ("Device", volume.endpoint().to_owned()),
            ("Frontend", frontend(volume)),
            ("Replicas", format!("{} wished", volume.number_of_replicas)),
        ];
        facts.extend(choices(volume));
        facts.push(("Created", age::long(&volume.created)));
        facts
    }

    fn causes(thing: &Resource<Self>) -> &[Cause] {
        &thing.data.causes
    }
}

/// What was chosen for it.
fn choices(volume: &Volume) -> Vec<(&'static str, String)> {
    let tags = |tags: &[String]| tags.join(", ");
    let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    vec![
        ("Data locality", volume.data_locality.word().to_owned()),
        ("Access mode", volume.access_mode.word().to_owned()),
        ("Node tags", tags(&volume.node_selector)),
        ("Disk tags", tags(&volume.disk_selector)),
        ("Recurring jobs", volume.recurring_job_selector.iter().map(job).collect::<Vec<_>>().join(", ")),
        ("Snapshots at most", number(volume.snapshot_max_count.into())),
        (
            "Snapshot bytes at most",
            Some(volume.snapshot_max_size).filter(|size| size.0 > 0).map_or_else(String::new, |size| size.to_string()),
        ),
        ("Cloned from", volume.clone_status.source_volume.clone()),
        ("Engine image", volume.current_image.clone()),
    ]
}

fn job(job: &RecurringJobRef) -> String {
    if job.is_group { format!("group {}", job.name) } else { job.name.clone() }
}

fn frontend(volume: &Volume) -> String {
    match (volume.frontend_in_use.as_str(), volume.frontend_reason.as_str()) {
        ("", _) => volume.frontend.word().to_owned(),
        (used, "") => used.to_owned(),
        (used, reason) => format!("{used} ({reason})"),
    }
}

/// Those with all data, of those that are wished. A detached volume's are those that have not failed.
fn replicas(volume: &Volume) -> Cell {
    let is_attached = volume.state == VolumeState::Attached;
    let is_good = |replica: &&aurochs_api::replica::Replica| match replica.mode {
        ReplicaMode::ReadWrite => true,
        ReplicaMode::None => !is_attached && replica.failed_at.is_empty() && !replica.host_id.is_empty(),
        ReplicaMode::WriteOnly | ReplicaMode::Error => false,
    };
    let good = volume.replicas.iter().filter(is_good).count();
    let is_short = good < usize::try_from(volume.number_of_replicas).unwrap_or(usize::MAX);
    let tone = if is_short { Tone::Warning } else { Tone::Plain };
    Cell::new(format!("{good}/{}", volume.number_of_replicas), tone)
}

/// Nothing is known of a volume that was never attached.
fn held(size: ByteSize) -> String {
    if size == ByteSize::ZERO { String::new() } else { size.to_string() }
}

pub(super) const fn state(state: VolumeState) -> &'static str {
    match state {
        VolumeState::Creating => "creating",
        VolumeState::Attached => "attached",
        VolumeState::Detached => "detached",
        VolumeState::Attaching => "attaching",
        VolumeState::Detaching => "detaching",
        VolumeState::Deleting => "deleting",
    }
}

const fn state_tone(state: VolumeState) -> Tone {
    match state {
        VolumeState::Attached => Tone::Good,
        VolumeState::Detached => Tone::Dim,
        VolumeState::Creating | VolumeState::Attaching | VolumeState::Detaching | VolumeState::Deleting => {
            Tone::Warning
        }
    }
}

pub(super) const fn robustness(robustness: Robustness) -> &'static str {
    match robustness {
        Robustness::Healthy => "healthy",
        Robustness::Degraded => "degraded",
        Robustness::Faulted => "faulted",
        Robustness::Unknown => "unknown",
    }
}

const fn robustness_tone(robustness: Robustness) -> Tone {
    match robustness {
        Robustness::Healthy => Tone::Good,
        Robustness::Degraded => Tone::Warning,
        Robustness::Faulted => Tone::Bad,
        Robustness::Unknown => Tone::Dim,
    }
}
