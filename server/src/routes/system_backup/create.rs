//! `POST /v1/systembackups`

use std::time::Duration;

use aurochs_api::describe::Described;
use aurochs_api::system_backup::{SystemBackupCreateInput, VolumeBackupPolicy};
use aurochs_engine::backup::names;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoWord, StrDeserializer};

use crate::auth::User;
use crate::controllers::job::keys;
use crate::controllers::system_backup;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::{Jobs, StartedBy};
use crate::resources::system_backup::SystemBackupSpec;
use crate::resources::{Object, SystemBackup};
use crate::routes::body::Body;
use crate::routes::shown;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::shown::resource;
use crate::web::request_url::RequestUrl;

/// As long as names of Kubernetes' own objects may be; longer ones are no directory's either.
const NAME_LENGTH_MAXIMUM: usize = 63;
/// A target is looked at again by then.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Answers with the system backup, which is made from now on.
pub async fn handle(
    State(store): State<Store>,
    State(jobs): State<Jobs>,
    url: RequestUrl,
    user: User,
    Body(input): Body<SystemBackupCreateInput>,
) -> Result<shown::One<SystemBackup>, ApiError> {
    let name = input.name.as_str();
    check_name("system backup", name)?;
    let volume_backup_policy = policy(&input.volume_backup_policy)?;
    if let Some(why) = system_backup::obstacle(&store).await? {
        let message = format_args!("system backup {name} is not made: {why}");
        let next_step = "System backups are kept in the target named default: give it an address that can be used.";
        return Err(ApiError::new(ErrorKind::Conflict, message, next_step).retry_after(RETRY_AFTER));
    }
    jobs.expect(keys::system_backup(name), StartedBy::User(user.name));
    let wish = Object::<SystemBackup>::new(name, SystemBackupSpec { volume_backup_policy });
    let made = store.create(&wish).await?;
    tracing::info!(name, "system backup asked for");
    Ok(Json(resource(&made, Links::of(&url))))
}

/// A name that a directory in a target, and a Kubernetes object, can have.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), ApiError> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_good = names::is_valid(name)
        && name.len() <= NAME_LENGTH_MAXIMUM
        && name.bytes().all(|byte| is_inner(byte) || matches!(byte, b'-' | b'.'))
        && name.bytes().last().is_some_and(is_inner);
    if is_good {
        return Ok(());
    }
    let next_step = format_args!(
        "Use 2 to {NAME_LENGTH_MAXIMUM} lower-case letters, digits, '-' and '.', a letter or digit at both ends."
    );
    Err(ApiError::new(ErrorKind::Invalid, format_args!("{name:?} is no name of a {what}"), next_step))
}

/// An empty word is the default.
pub(crate) fn policy(word: &str) -> Result<VolumeBackupPolicy, ApiError> {
    let read: StrDeserializer<'_, NoWord> = word.into_deserializer();
    VolumeBackupPolicy::deserialize(read).map_err(|_| {
        let message = format_args!("volumeBackupPolicy can't be {word:?}");
        let next_step = format_args!("Give one of {}.", VolumeBackupPolicy::OPTIONS.join(", "));
        ApiError::new(ErrorKind::Invalid, message, next_step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_policies() {
        for good in ["nightly", "a1", "before-upgrade-1.2"] {
            check_name("system backup", good).unwrap();
        }
        for bad in ["", "a", "-a", "a-", "A1", "a b", "a/b", "..", "a_b", &"x".repeat(64)] {
            assert!(check_name("system backup", bad).is_err(), "{bad}");
        }
        assert_eq!(policy("").unwrap(), VolumeBackupPolicy::IfNotPresent);
        assert_eq!(policy("always").unwrap(), VolumeBackupPolicy::Always);
        assert!(policy("sometimes").unwrap_err().next_step.contains("disabled"));
    }
}
