//! Settings: a name that there is, a value that it can have; they stay.

use super::Judge;
use super::asked::Asked;
use super::review::Operation;
use crate::error::{ApiError, ErrorKind};
use crate::resources::Setting;
use crate::routes::setting::update;
use crate::settings;

/// Whoever writes it knows what they do: the value of a setting that only the system writes is theirs.
const BYPASS: &str = "longhorn.io/update-setting-from-longhorn";

/// The value in the form that is stored: trimmed, and by data engine where it differs by that.
pub(super) fn complete(asked: &mut Asked<Setting>) -> Result<(), ApiError> {
    if is_new_value(asked) {
        asked.object.spec.value = settings::check(asked.object.name(), &asked.object.spec.value)?;
    }
    Ok(())
}

pub(super) async fn check(judge: &Judge, asked: &Asked<Setting>) -> Result<(), ApiError> {
    let name = asked.object.name();
    if asked.operation == Operation::Delete {
        let message = format_args!("the setting {name} can't be deleted");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Write its default to take a change back."));
    }
    if !is_new_value(asked) {
        return Ok(());
    }
    let value = settings::check(name, &asked.object.spec.value)?;
    let row = settings::definition(name).ok_or_else(|| ApiError::not_found("setting", name))?;
    update::check_present(&judge.store, &judge.settings, row.name, &value).await
}

fn is_new_value(asked: &Asked<Setting>) -> bool {
    let is_same = asked.before.as_ref().is_some_and(|before| before.spec == asked.object.spec);
    !is_same && !asked.is_going() && !asked.object.metadata.annotations.contains_key(BYPASS)
}
