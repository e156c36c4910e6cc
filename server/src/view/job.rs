//! A job.

use aurochs_api::job::{Job, JobLogLine, JobPhase, JobState};
use aurochs_api::schema::Resource;

use super::envelope::Links;
use crate::jobs::{Cancel, Line, Outcome, Phase, Record, Seen, Standing};
use crate::resources::timestamp;

/// With its log, where somebody asked for this one job.
#[must_use]
pub fn resource(seen: &Seen, log: &[Line], links: Links<'_>) -> Resource<Job> {
    let record = &seen.record;
    let (message, next_step, causes) = match &record.standing {
        Standing::Ended { outcome: Outcome::Failed(failure), .. } => {
            (failure.message.clone(), failure.next_step.clone(), failure.cause.clone())
        }
        _ => Default::default(),
    };
    let view = Job {
        kind: record.kind,
        state: record.state(),
        object: record.object.clone(),
        volume: record.volume.clone(),
        node: record.node.clone(),
        starter: record.started_by.starter(),
        started_by: record.started_by.text().to_owned(),
        phases: record.phases.iter().map(phase).collect(),
        planned_bytes: record.planned_bytes,
        done_bytes: record.done_bytes,
        bytes_per_second: seen.bytes_per_second,
        seconds_left: seen.seconds_left,
        started_at: timestamp::text(record.started_at),
        updated_at: timestamp::text(record.updated_at),
        ended_at: record.ended_at().map(timestamp::text).unwrap_or_default(),
        message,
        next_step,
        causes: causes.into_iter().collect(),
        cancellable: record.state() == JobState::Running && record.cancel == Cancel::Possible,
        cancel_refusal: refusal(record),
        cancel_asked_by: cancelled_by(record),
        log: log.iter().map(line).collect(),
    };
    links.thing(&record.id.to_string(), view)
}

/// Nothing is left to cancel of what has ended.
fn refusal(record: &Record) -> String {
    match &record.cancel {
        Cancel::Impossible(why) if record.is_running() => why.clone(),
        _ => String::new(),
    }
}

fn cancelled_by(record: &Record) -> String {
    match &record.standing {
        Standing::Ended { outcome: Outcome::Cancelled(by), .. } => by.clone(),
        _ => record.cancel_asked_by.clone().unwrap_or_default(),
    }
}

fn phase(phase: &Phase) -> JobPhase {
    JobPhase { name: phase.name.clone(), at: timestamp::text(phase.at) }
}

fn line(line: &Line) -> JobLogLine {
    JobLogLine { number: line.number, at: timestamp::text(line.at), level: line.level, text: line.text.clone() }
}
