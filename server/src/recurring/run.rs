//! One run: the job's task on every volume that takes part, `concurrency` of them at once.
//!
//! A volume that fails is told, and the others go on. It is tried again where that may help.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;

use super::choice;
use super::history::Entry;
use super::part::Part;
use super::reach;
use super::system_backup;
use super::trouble::Trouble;
use crate::controllers::Context;
use crate::jobs::Level;
use crate::resources::recurring_job::{RecurringRun, Task};
use crate::resources::{Object, RecurringJob, Volume};
use crate::settings::Name;
use crate::store::StoreError;

/// As often as Longhorn begins a failed run anew.
const RETRIES: u32 = 3;
/// Before the first of them; doubled with each.
const RETRY_PAUSE: Duration = Duration::from_secs(10);
/// More volumes at once are of no use to any disk.
const CONCURRENCY_MAXIMUM: usize = 100;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Succeeded(String),
    Failed {
        message: String,
        next_step: String,
    },
    /// By whom, or what.
    Cancelled(String),
}

impl Ended {
    /// As it stands in the job's status.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Cancelled(_) => "cancelled",
        }
    }

    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Succeeded(message) | Self::Failed { message, .. } => message.clone(),
            Self::Cancelled(by) => format!("cancelled by {by}"),
        }
    }
}

/// Does all of it. Cut off anywhere, it can be begun again.
pub async fn execute(context: &Context, job: &Object<RecurringJob>, run: &RecurringRun, entry: &Entry) -> Ended {
    if job.spec.task == Task::SystemBackup {
        return system_backup::execute(context, job, run, entry).await;
    }
    let parts = match parts(context, job, run, entry).await {
        Ok(parts) => parts,
        Err(error) => {
            let next_step = "It runs again at its next time.".to_owned();
            return Ended::Failed { message: format!("the volumes can't be listed: {error}"), next_step };
        }
    };
    let concurrency =
        usize::try_from(job.spec.concurrency).unwrap_or(CONCURRENCY_MAXIMUM).clamp(1, CONCURRENCY_MAXIMUM);
    let all = parts.len();
    let failed: Vec<String> = stream::iter(parts)
        .map(|part| one(part, entry))
        .buffer_unordered(concurrency)
        .filter_map(std::future::ready)
        .collect()
        .await;
    ended(all, &failed)
}

/// Those who take part; why the others don't goes into the log.
async fn parts(
    context: &Context,
    job: &Object<RecurringJob>,
    run: &RecurringRun,
    entry: &Entry,
) -> Result<Vec<Part>, StoreError> {
    let attach = context.settings.flag(Name::AllowRecurringJobWhileVolumeDetached);
    let volumes = context.store.list_shared::<Volume>().await?;
    let mut parts = Vec::new();
    for volume in volumes.iter().filter(|volume| choice::names(volume, job)) {
        match choice::left_out(volume, job.spec.task, attach) {
            Some(why) => entry.log(Level::Info, format!("volume {} is left out: {why}", volume.name())),
            None => parts.push(Part {
                context: context.clone(),
                job: job.clone(),
                run: run.id.clone(),
                volume: Object::clone(volume),
                attach,
            }),
        }
    }
    Ok(parts)
}

/// One volume's part. Answers with its name if it failed.
async fn one(part: Part, entry: &Entry) -> Option<String> {
    let outcome = retried(&part, entry).await;
    if let Err(error) = reach::release(&part.context.store, part.name(), part.job.name()).await {
        tracing::warn!(volume = part.name(), %error, "the ticket of a run stays until its end");
    }
    match outcome {
        Ok(told) => {
            entry.log(Level::Info, format!("volume {}: {told}", part.name()));
            None
        }
        Err(_) if is_gone(&part).await => {
            entry.log(Level::Info, format!("volume {} was deleted meanwhile", part.name()));
            None
        }
        Err(error) => {
            entry.log(Level::Error, format!("volume {}: {error}", part.name()));
            Some(part.name().to_owned())
        }
    }
}

async fn is_gone(part: &Part) -> bool {
    let found = part.context.store.find::<Volume>(part.name()).await;
    found.is_ok_and(|volume| {
        volume.is_none_or(|volume| volume.is_deleting() || volume.metadata.uid != part.volume.metadata.uid)
    })
}

async fn retried(part: &Part, entry: &Entry) -> Result<String, Trouble> {
    for attempt in 0..RETRIES {
        match part.run().await {
            Err(error) if error.may_pass() => {
                let pause = RETRY_PAUSE * 2_u32.pow(attempt);
                entry.log(
                    Level::Warning,
                    format!("volume {}: {error}; it is tried again in {} s", part.name(), pause.as_secs()),
                );
                tokio::time::sleep(pause).await;
            }
            outcome => return outcome,
        }
    }
    part.run().await
}

fn ended(all: usize, failed: &[String]) -> Ended {
    match (all, failed.len()) {
        (0, _) => Ended::Succeeded("no volume takes part".to_owned()),
        (1, 0) => Ended::Succeeded("done for 1 volume".to_owned()),
        (all, 0) => Ended::Succeeded(format!("done for {all} volumes")),
        (all, count) => Ended::Failed {
            message: format!("{count} of {all} volumes failed: {}", failed.join(", ")),
            next_step: "The log of this run says why, volume by volume. It runs again at its next time.".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// behaviour.md §8, row "one volume failing": the others are done; which one failed is in the outcome.
    #[test]
    fn one_volume_failing() {
        assert_eq!(ended(0, &[]).word(), "succeeded");
        assert_eq!(ended(3, &[]), Ended::Succeeded("done for 3 volumes".into()));
        let some = ended(3, &["b".to_owned()]);
        assert_eq!((some.word(), some.message()), ("failed", "1 of 3 volumes failed: b".to_owned()));
    }
}
