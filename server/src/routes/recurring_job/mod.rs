//! Recurring jobs: stored and checked here. Which volumes take part in one, and in its groups, is told by actions of the
//! volumes.

pub mod check;
pub mod create;
pub mod delete;
pub mod labels;
pub mod update;

use aurochs_api::recurring_job::{RecurringJob as RecurringJobView, RecurringJobInput, RecurringJobUpdate};

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
        .streamed(&["recurringjobs"])
        .done()
}
