//! Recurring jobs: corrected and judged as over the API.

use aurochs_api::recurring_job::RecurringJobInput;
use serde_json::Value;

use super::Judge;
use super::asked::Asked;
use super::review::Operation;
use crate::error::{ApiError, ErrorKind};
use crate::resources::RecurringJob;
use crate::resources::recurring_job::RecurringJobSpec;
use crate::routes::recurring_job::check as rules;
use crate::settings::Name;

pub(super) fn complete(judge: &Judge, asked: &mut Asked<RecurringJob>) -> Result<(), ApiError> {
    if !asked.is_going() {
        asked.object.spec = judged(judge, asked)?;
    }
    Ok(())
}

pub(super) fn check(judge: &Judge, asked: &Asked<RecurringJob>) -> Result<(), ApiError> {
    let is_written = matches!(asked.operation, Operation::Create | Operation::Update) && !asked.is_going();
    if is_written { judged(judge, asked).map(drop) } else { Ok(()) }
}

fn judged(judge: &Judge, asked: &Asked<RecurringJob>) -> Result<RecurringJobSpec, ApiError> {
    let name = asked.object.name();
    let mut fields = asked.sent.clone();
    // Its name stands twice.
    if fields.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
        fields.insert("name".to_owned(), name.into());
    }
    let input: RecurringJobInput = serde_json::from_value(Value::Object(fields)).map_err(|error| {
        let message = format_args!("the spec of recurring job {name} can't be read: {error}");
        let next_step = "kubectl explain recurringjobs.longhorn.io.spec tells what it can be.";
        ApiError::new(ErrorKind::Invalid, message, next_step)
    })?;
    rules::job(input, judge.settings.number(Name::RecurringJobMaxRetention))
}
