//! The recurring jobs of a volume as its backups tell them, in Longhorn's form: a JSON object of the jobs' names, each with the
//! job and how the volume takes part in it.

use std::collections::BTreeMap;

use aurochs_api::recurring_job::RecurringJobInput;
use serde::{Deserialize, Serialize};

use super::choice;
use crate::error::ApiError;
use crate::resources::recurring_job::RecurringJobSpec;
use crate::resources::volume::{LABEL_ENABLED, LABEL_RECURRING_JOB, LABEL_RECURRING_JOB_GROUP};
use crate::resources::{Object, RecurringJob, Volume};
use crate::routes::recurring_job::check;
use crate::settings::{Name, Settings};
use crate::store::Store;

/// Before the name of a job that is brought back beside another one of its name.
const PREFIX: &str = "restored-recurring-job-";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Saved {
    job_spec: RecurringJobSpec,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from_group: Vec<String>,
    from_job: bool,
}

/// None for a volume without jobs.
pub async fn of_volume(store: &Store, volume: &Object<Volume>) -> Result<Option<String>, ApiError> {
    let jobs = store.list::<RecurringJob>().await?;
    let saved: BTreeMap<&str, Saved> = jobs
        .iter()
        .filter(|job| choice::names(volume, job))
        .map(|job| {
            let is_enabled =
                |label: String| volume.metadata.labels.get(&label).is_some_and(|value| value == LABEL_ENABLED);
            let groups = job.spec.groups.iter();
            let from_group = groups.filter(|group| is_enabled(format!("{LABEL_RECURRING_JOB_GROUP}{group}")));
            let saved = Saved {
                job_spec: RecurringJobSpec { name: job.name().to_owned(), ..job.spec.clone() },
                from_group: from_group.cloned().collect(),
                from_job: is_enabled(format!("{LABEL_RECURRING_JOB}{}", job.name())),
            };
            (job.name(), saved)
        })
        .collect();
    if saved.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(&saved).map(Some).map_err(|error| ApiError::internal("writing the jobs of a volume", error))
}

/// Makes the jobs that are not there, and has the volume take part. What can't be used of them is left out, and told in the
/// manager's log: the data matters more.
pub async fn bring_back(
    store: &Store,
    settings: &Settings,
    told: &str,
    volume: &mut Object<Volume>,
) -> Result<(), ApiError> {
    let Ok(saved) = serde_json::from_str::<BTreeMap<String, Saved>>(told) else {
        tracing::warn!(volume = volume.name(), "what a backup tells of recurring jobs can't be read");
        return Ok(());
    };
    for (name, saved) in saved {
        let spec = match checked(&name, &saved.job_spec, settings) {
            Ok(spec) => spec,
            Err(error) => {
                tracing::warn!(volume = volume.name(), job = name, error = error.message, "a job is not brought back");
                continue;
            }
        };
        let name = place(store, spec).await?;
        let labels = &mut volume.metadata.labels;
        if saved.from_job || saved.from_group.is_empty() {
            labels.insert(format!("{LABEL_RECURRING_JOB}{name}"), LABEL_ENABLED.to_owned());
        }
        for group in saved.from_group {
            labels.insert(format!("{LABEL_RECURRING_JOB_GROUP}{group}"), LABEL_ENABLED.to_owned());
        }
    }
    Ok(())
}

fn checked(name: &str, spec: &RecurringJobSpec, settings: &Settings) -> Result<RecurringJobSpec, ApiError> {
    let value = serde_json::to_value(RecurringJobSpec { name: name.to_owned(), ..spec.clone() });
    let input = value.and_then(serde_json::from_value::<RecurringJobInput>);
    let input = input.map_err(|error| ApiError::internal("reading a job of a backup", error))?;
    check::job(input, settings.number(Name::RecurringJobMaxRetention))
}

/// The name under which the job is there: its own, unless another job has it.
async fn place(store: &Store, spec: RecurringJobSpec) -> Result<String, ApiError> {
    let own = spec.name.clone();
    let other = store.find::<RecurringJob>(&own).await?;
    match other {
        Some(other) if RecurringJobSpec { name: own.clone(), ..other.spec.clone() } == spec => return Ok(own),
        Some(_) => {}
        None => {
            store.create(&Object::<RecurringJob>::new(own.clone(), spec)).await?;
            return Ok(own);
        }
    }
    let room = aurochs_api::ids::NAME_LENGTH_MAXIMUM - PREFIX.len();
    let rest: String = own.chars().take(room).collect();
    let name = format!("{PREFIX}{}", rest.trim_end_matches('-'));
    if store.find::<RecurringJob>(&name).await?.is_none() {
        let spec = RecurringJobSpec { name: name.clone(), ..spec };
        store.create(&Object::<RecurringJob>::new(name.clone(), spec)).await?;
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::bench;
    use crate::resources::recurring_job::Task;

    #[tokio::test]
    async fn jobs_go_with_a_backup_and_come_back() {
        let (context, _directory) = bench::context(&["node-1"]).await;
        let store = &context.store;
        let spec = RecurringJobSpec {
            name: "nightly".into(),
            task: Task::Backup,
            cron: "0 2 * * *".into(),
            retain: 7,
            concurrency: 1,
            groups: vec!["gold".into()],
            ..RecurringJobSpec::default()
        };
        store.create(&Object::<RecurringJob>::new("nightly", spec.clone())).await.unwrap();
        let mut volume = Object::<Volume>::new("v", Default::default());
        assert_eq!(of_volume(store, &volume).await.unwrap(), None);
        volume.metadata.labels.insert("recurring-job-group.longhorn.io/gold".into(), "enabled".into());
        let told = of_volume(store, &volume).await.unwrap().unwrap();
        assert!(told.contains(r#""fromGroup":["gold"]"#) && told.contains(r#""fromJob":false"#), "{told}");

        let mut restored = Object::<Volume>::new("r", Default::default());
        bring_back(store, &context.settings, &told, &mut restored).await.unwrap();
        assert_eq!(restored.metadata.labels, volume.metadata.labels);
        assert_eq!(store.list::<RecurringJob>().await.unwrap().len(), 1, "it is there already");

        // Another job has its name.
        store.modify::<RecurringJob>("nightly", |job| job.spec.retain = 3).await.unwrap();
        bring_back(store, &context.settings, &told, &mut restored).await.unwrap();
        let jobs = store.list::<RecurringJob>().await.unwrap();
        assert_eq!(jobs.iter().map(Object::name).collect::<Vec<_>>(), ["nightly", "restored-recurring-job-nightly"]);
        bring_back(store, &context.settings, "{", &mut restored).await.unwrap();
    }
}
