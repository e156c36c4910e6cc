//! A recurring job.

use aurochs_api::recurring_job::RecurringJob as RecurringJobView;

use super::shown::Shown;
use crate::resources::{Object, RecurringJob};

impl Shown for RecurringJob {
    type View = RecurringJobView;

    fn view(job: &Object<Self>) -> RecurringJobView {
        let (spec, status) = (&job.spec, &job.status);
        RecurringJobView {
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
        }
    }
}
