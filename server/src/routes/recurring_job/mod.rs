//! Recurring jobs.

use aurochs_api::recurring_job::RecurringJob as RecurringJobView;

use super::shown;
use crate::nouns::Noun;
use crate::resources::RecurringJob;

/// They are stored here.
pub fn noun() -> Noun {
    Noun::of::<RecurringJobView>().list(shown::list::<RecurringJob>).streamed(&["recurringjobs"]).get(shown::get::<RecurringJob>).done()
}
