//! What a backup target can be.

use aurochs_api::backup_target::BackupTargetInput;
use aurochs_engine::backup::TargetUrl;

use super::poll_interval;
use crate::backups::{credentials, is_at};
use crate::error::{ApiError, ErrorKind};
use crate::resources::backup_target::BackupTargetSpec;
use crate::resources::{BackupTarget, Object, Volume};
use crate::store::Store;

/// As long as names of Kubernetes' own objects.
const NAME_LENGTH_MAXIMUM: usize = 63;

pub(super) fn invalid(message: impl std::fmt::Display, next_step: &str) -> ApiError {
    ApiError::new(ErrorKind::Invalid, message, next_step)
}

/// A name that a Kubernetes object can have.
pub(super) fn name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() {
        return Err(invalid("a backup target needs a name", "Give a name such as offsite."));
    }
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (first, last) = (name.bytes().next(), name.bytes().last());
    let is_good = name.len() <= NAME_LENGTH_MAXIMUM
        && name.bytes().all(|byte| is_inner(byte) || byte == b'-')
        && first.is_some_and(is_inner)
        && last.is_some_and(is_inner);
    if is_good {
        return Ok(());
    }
    let message = format_args!("{name:?} is no name for a backup target");
    Err(invalid(message, "Give at most 63 small letters, digits and - between them."))
}

/// The wish of a body, for a target that has this spec now; its credentials are looked at and not kept.
pub(super) fn spec(
    name: &str,
    before: &BackupTargetSpec,
    input: &BackupTargetInput,
) -> Result<BackupTargetSpec, ApiError> {
    let seconds = poll_interval::parse(&input.poll_interval)?;
    let url = input.backup_target_url.trim();
    if !url.is_empty() {
        let read: Result<TargetUrl, _> = url.parse();
        read.map_err(|error| invalid(error, "Correct backupTargetURL, or leave it empty for no target."))?;
    }
    let mut secret = input.credential_secret.clone();
    if secret.contains(char::is_whitespace) {
        let message = format_args!("the credentialSecret {secret:?} of backup target {name} has a blank in it");
        return Err(invalid(message, "Give the name of a secret, or nothing."));
    }
    if let Some(given) = &input.credentials {
        let refused = |why| {
            invalid(format_args!("the credentials of backup target {name} can't be kept: {why}"), "Correct them.")
        };
        credentials::check(given).map_err(refused)?;
        if secret.is_empty() && !given.is_empty() {
            name.clone_into(&mut secret);
        }
    }
    Ok(BackupTargetSpec {
        backup_target_url: url.to_owned(),
        credential_secret: secret,
        poll_interval: poll_interval::go_text(seconds),
        sync_requested_at: before.sync_requested_at.clone(),
    })
}

/// The same for one that is told of by something else than a body: a system backup, a manifest.
pub(crate) fn found(target: &str, input: &BackupTargetInput) -> Result<BackupTargetSpec, ApiError> {
    name(target)?;
    // Neither has credentials in it.
    let input = BackupTargetInput { credentials: None, ..input.clone() };
    spec(target, &BackupTargetSpec::default(), &input)
}

/// Two targets that are one would show each backup twice, and delete it for both.
pub(crate) async fn is_alone(store: &Store, name: &str, url: &str) -> Result<(), ApiError> {
    let Ok(place) = url.parse::<TargetUrl>() else { return Ok(()) };
    let others = store.list::<BackupTarget>().await?;
    let is_it = |other: &&Object<BackupTarget>| other.name() != name && is_at(&other.spec.backup_target_url, &place);
    match others.iter().find(is_it) {
        None => Ok(()),
        Some(other) => {
            let (other, address) = (other.name(), &other.spec.backup_target_url);
            let message =
                format_args!("backup target {other} is at the same place as {url}, with the address {address}");
            Err(ApiError::new(ErrorKind::Conflict, message, "Use that one, or give another path."))
        }
    }
}

/// Credentials that are given with a target are that target's own: nobody else's are changed with them. (A secret that
/// several targets name is written by a person, into the file.)
pub(super) async fn owns_secret(store: &Store, name: &str, secret: &str) -> Result<(), ApiError> {
    let others = store.list::<BackupTarget>().await?;
    let uses_it = |other: &&Object<BackupTarget>| other.name() != name && other.spec.credential_secret == secret;
    let users: Vec<&str> = others.iter().filter(uses_it).map(Object::name).collect();
    if users.is_empty() || secret.is_empty() {
        return Ok(());
    }
    let users = users.join(", ");
    let message = format_args!(
        "the credentials of backup target {name} would be kept as {secret}, and those are also the credentials of {users}"
    );
    let next_step = "Give credentialSecret a name of its own, or leave the credentials out.";
    Err(ApiError::new(ErrorKind::Conflict, message, next_step))
}

/// A standby volume follows what is in its target.
pub(crate) async fn nobody_follows(store: &Store, name: &str, tried: &str) -> Result<(), ApiError> {
    let follows = |volume: &&Object<Volume>| {
        let is_standby = volume.spec.standby || volume.status.is_standby;
        is_standby && volume.spec.backup_target_name == name && !volume.is_deleting()
    };
    let volumes = store.list::<Volume>().await?;
    let names: Vec<&str> = volumes.iter().filter(follows).map(Object::name).collect();
    if names.is_empty() {
        return Ok(());
    }
    let message =
        format_args!("{tried} backup target {name} is not possible: standby volumes follow it: {}", names.join(", "));
    Err(ApiError::new(ErrorKind::Conflict, message, "Activate these volumes, or delete them, first."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(url: &str, secret: &str, credentials: Option<&str>) -> Result<BackupTargetSpec, ApiError> {
        let input = BackupTargetInput {
            backup_target_url: url.into(),
            credential_secret: secret.into(),
            poll_interval: "300".into(),
            credentials: credentials.map(|key| [(key.to_owned(), "hunter2-planted".to_owned())].into()),
            ..BackupTargetInput::default()
        };
        spec("offsite", &BackupTargetSpec::default(), &input)
    }

    #[test]
    fn addresses_and_secrets() {
        for url in
            ["", "s3://bucket@region/path", "nfs://server:/path", "vfs:///tmp/x", " azblob://c@core.windows.net/ "]
        {
            assert_eq!(wish(url, "", None).unwrap().backup_target_url, url.trim(), "{url}");
        }
        for url in ["bucket", "ftp://a/b", "s3://", "vfs://host/path"] {
            assert!(wish(url, "", None).is_err(), "{url}");
        }
        assert!(wish("", "two words", None).is_err());
        assert_eq!(wish("", "", Some("AWS_ACCESS_KEY_ID")).unwrap().credential_secret, "offsite");
        assert_eq!(wish("", "own", Some("AWS_ACCESS_KEY_ID")).unwrap().credential_secret, "own");
        let refused = wish("", "", Some("AWS_KEY")).unwrap_err();
        assert!(!refused.message.contains("planted"), "{}", refused.message);
    }

    #[test]
    fn names_of_targets() {
        for good in ["default", "off-site-2", "a"] {
            name(good).unwrap();
        }
        for bad in ["", "-a", "a-", "A", "a b", "ä", &"x".repeat(64)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
