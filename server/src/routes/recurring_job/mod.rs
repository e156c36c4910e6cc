//! Recurring jobs: stored and checked here, run by [`crate::recurring`]. Which volumes take part in one, and in its groups, is told by actions of the
//! volumes.

pub mod check;
pub mod create;
pub mod delete;
pub mod labels;
pub mod run;
pub mod schedule;
pub mod update;

use aurochs_api::recurring_job::{
    CronMeaning, CronQuestion, RecurringJob as RecurringJobView, RecurringJobInput, RecurringJobRun, RecurringJobUpdate,
};

use super::shown;
use crate::nouns::Noun;
use crate::resources::RecurringJob;

/// Made, read, changed and deleted by people.
pub fn noun() -> Noun {
    Noun::of::<RecurringJobView>()
        .list(shown::list::<RecurringJob>)
        .create::<RecurringJobInput, _>(create::handle)
        .get(shown::get::<RecurringJob>)
        .put::<RecurringJobUpdate, _>(update::handle)
        .delete(delete::handle)
        .act::<RecurringJobRun, _, _>(run::handle)
        .with::<CronMeaning>()
        .with::<CronQuestion>()
        .streamed(&["recurringjobs"])
        .done()
}
