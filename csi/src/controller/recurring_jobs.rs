//! Recurring jobs that an older class says all of: they are made, so that its volumes can take part in them.

use aurochs_api::recurring_job::RecurringJob;

use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::parameters::{self, Job, Parameters};

/// Makes those that there are none of. One of the name that is there stays as it is: people change jobs.
pub(super) async fn ensure(driver: &Driver, parameters: &Parameters) -> Result<(), Failure> {
    for job in parameters::jobs(parameters)? {
        let Some(wish) = whole(&job) else { continue };
        if driver.manager().find_recurring_job(&wish.name).await?.is_some() {
            continue;
        }
        match driver.manager().create_recurring_job(&wish).await {
            // Somebody was quicker.
            Err(failure) if failure.is(Kind::WrongState) => {}
            made => made?,
        }
    }
    Ok(())
}

/// None for one that is only named.
fn whole(job: &Job) -> Option<RecurringJob> {
    let task = job.task.filter(|_| !job.is_group && !job.name.is_empty() && !job.cron.is_empty())?;
    Some(RecurringJob {
        name: job.name.clone(),
        task,
        cron: job.cron.clone(),
        retain: job.retain.max(1),
        concurrency: job.concurrency.max(1),
        labels: job.labels.clone(),
        ..RecurringJob::default()
    })
}

#[cfg(test)]
mod tests {
    use aurochs_api::recurring_job::Task;

    use super::*;

    #[test]
    fn only_those_that_are_said_in_full() {
        let job = Job { name: "a".into(), task: Some(Task::Backup), cron: "0 0 * * ?".into(), ..Job::default() };
        let made = whole(&job).unwrap();
        assert_eq!((made.task, made.retain, made.concurrency), (Task::Backup, 1, 1));
        assert_eq!(whole(&Job { cron: String::new(), ..job.clone() }), None);
        assert_eq!(whole(&Job { task: None, ..job.clone() }), None);
        assert_eq!(whole(&Job { is_group: true, ..job }), None);
    }
}
