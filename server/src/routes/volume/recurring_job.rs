//! `recurringJobAdd`, `recurringJobList`, `recurringJobDelete`: the jobs, and groups of jobs, that a volume takes part in.
//!
//! They are labels on the volume, as Longhorn has it: `recurring-job.longhorn.io/<name>` and
//! `recurring-job-group.longhorn.io/<name>`, both `enabled`. A volume may name a job that does not exist yet. One that
//! names none takes part in the group `default`: then it has that label.

use aurochs_api::action::NoInput;
use aurochs_api::ids::NAME_LENGTH_MAXIMUM;
use aurochs_api::schema::{Collection, Resource};
use aurochs_api::volume::RecurringJobRef;
use aurochs_api::volume::inputs::VolumeRecurringJobInput;

use super::action::{self, Target, invalid};
use crate::controllers::volume::default_group;
use crate::error::ApiError;
use crate::resources::volume::{LABEL_ENABLED, LABEL_RECURRING_JOB, LABEL_RECURRING_JOB_GROUP};
use crate::view::envelope::{self, Links};
use crate::view::volume::recurring_jobs;

type Answer = Collection<Resource<RecurringJobRef>>;

/// More would make a label's list that nobody can read.
const JOBS_MAXIMUM: usize = 100;

/// Answers with all that the volume takes part in. Repeating it is fine.
pub async fn add(target: Target, input: VolumeRecurringJobInput) -> Result<Answer, ApiError> {
    let label = label(&input.name, input.is_group)?;
    action::change(&target, |volume| {
        volume.metadata.labels.insert(label.clone(), LABEL_ENABLED.to_owned());
        check_number(recurring_jobs(volume).len())
    })
    .await?;
    tracing::info!(volume = target.name, job = input.name, group = input.is_group, "takes part in a recurring job");
    list(target, NoInput {}).await
}

/// Answers with all that the volume takes part in still. What it does not take part in is fine, too.
pub async fn delete(target: Target, input: VolumeRecurringJobInput) -> Result<Answer, ApiError> {
    let label = label(&input.name, input.is_group)?;
    action::change(&target, |volume| {
        volume.metadata.labels.remove(&label);
        default_group::join(volume);
        Ok(())
    })
    .await?;
    tracing::info!(volume = target.name, job = input.name, group = input.is_group, "leaves a recurring job");
    list(target, NoInput {}).await
}

/// Answers with all that the volume takes part in.
pub async fn list(target: Target, _: NoInput) -> Result<Answer, ApiError> {
    let volume = action::volume(&target).await?;
    let links = Links::of(&target.url);
    let row = |job: RecurringJobRef| links.resource("volumeRecurringJob", &job.name.clone(), &[], job);
    let rows = recurring_jobs(&volume).into_iter().map(row).collect();
    Ok(envelope::collection("volumeRecurringJob", &target.url, rows))
}

/// The label that says it.
pub(crate) fn label(name: &str, is_group: bool) -> Result<String, ApiError> {
    let what = if is_group { "group of recurring jobs" } else { "recurring job" };
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.is_empty() || name.len() > NAME_LENGTH_MAXIMUM || !name.chars().all(good) || !name.starts_with(edge) {
        let message = format_args!("{name:?} is no name of a {what}");
        let next_step = format_args!("Use 1 to {NAME_LENGTH_MAXIMUM} lower-case letters, digits, '-', '_' and '.'.");
        return Err(invalid(message, next_step));
    }
    Ok(format!("{}{name}", if is_group { LABEL_RECURRING_JOB_GROUP } else { LABEL_RECURRING_JOB }))
}

pub(crate) fn check_number(jobs: usize) -> Result<(), ApiError> {
    if jobs <= JOBS_MAXIMUM {
        return Ok(());
    }
    let message = format_args!("a volume takes part in at most {JOBS_MAXIMUM} recurring jobs and groups");
    Err(invalid(message, "Put jobs into a group, and let the volume take part in that."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_jobs() {
        assert_eq!(label("nightly", false).unwrap(), "recurring-job.longhorn.io/nightly");
        assert_eq!(label("default", true).unwrap(), "recurring-job-group.longhorn.io/default");
        for bad in ["", "a/b", "-a", "A", "a b", &"a".repeat(41)] {
            assert!(!label(bad, false).unwrap_err().next_step.is_empty(), "{bad}");
        }
    }
}
