//! A recurring job.

use aurochs_api::recurring_job::RecurringJob as RecurringJobView;
use jiff::Timestamp;

use super::shown::Shown;
use crate::recurring::due::followed_since;
use crate::recurring::plan::Plan;
use crate::resources::{Object, RecurringJob};

impl Shown for RecurringJob {
    type View = RecurringJobView;

    fn view(job: &Object<Self>) -> RecurringJobView {
        let (spec, status) = (&job.spec, &job.status);
        let view = RecurringJobView {
            name: job.name().to_owned(),
            task: spec.task,
            cron: spec.cron.clone(),
            retain: spec.retain,
            concurrency: spec.concurrency,
            groups: spec.groups.clone(),
            labels: spec.labels.clone(),
            parameters: spec.parameters.clone(),
            execution_count: status.execution_count,
            owner_id: status.owner_id.clone(),
            run: status.run.clone(),
            last_run: status.last_run.clone(),
            ..RecurringJobView::default()
        };
        // What can't be read has no times; an older version stored it.
        let Ok(plan) = Plan::read(&spec.cron) else { return view };
        let now = Timestamp::now();
        let anchor = followed_since(status, &spec.cron).or_else(|| job.metadata.creation_timestamp.parse().ok());
        RecurringJobView {
            schedule: plan.schedule.cron.words(),
            time_zone: plan.schedule.zone.clone(),
            next_runs: plan.told(anchor.unwrap_or(now), now),
            ..view
        }
    }
}
