//! What the actions of a volume have in common: finding it, changing it, answering with it.

use aurochs_api::describe::Described;
use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume as VolumeView;
use aurochs_api::word::Word;
use serde::de::DeserializeOwned;

use super::get;
use crate::error::{ApiError, ErrorKind};
pub(crate) use crate::nouns::action::Target;
use crate::resources::{Object, Volume};

/// The volume's resource, unless it is going away.
pub(crate) async fn volume(target: &Target) -> Result<Object<Volume>, ApiError> {
    let volume = target.app.store.get::<Volume>(&target.name).await?;
    check_stays(&volume)?;
    Ok(volume)
}

fn check_stays(volume: &Object<Volume>) -> Result<(), ApiError> {
    if volume.is_deleting() {
        let message = format_args!("volume {} is being deleted", volume.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, "Wait until it is gone."));
    }
    Ok(())
}

/// The volume as it is now.
pub(crate) async fn answer(target: &Target) -> Result<Resource<VolumeView>, ApiError> {
    get::view(&target.app.store, &target.url, &target.name).await
}

/// Changes the volume's wishes, or leaves it as it is when `change` refuses, and answers with it. What `change` looks at
/// is what is changed: nobody else gets between.
pub(crate) async fn change(
    target: &Target,
    mut change: impl FnMut(&mut Object<Volume>) -> Result<(), ApiError> + Send,
) -> Result<Resource<VolumeView>, ApiError> {
    let mut refusal = None;
    target
        .app
        .store
        .modify::<Volume>(&target.name, |volume| {
            let mut changed = volume.clone();
            refusal = check_stays(volume).and_then(|()| change(&mut changed)).err();
            if refusal.is_none() {
                *volume = changed;
            }
        })
        .await?;
    match refusal {
        Some(refusal) => Err(refusal),
        None => answer(target).await,
    }
}

/// The word that a field says, none when it says nothing.
pub(crate) fn word<T: Described + DeserializeOwned>(field: &str, word: &Word<T>) -> Result<Option<T>, ApiError> {
    word.read().map_err(|error| {
        let message = format_args!("{field} can't be {:?}, only one of {}", error.word, error.options.join(", "));
        invalid(message, "Choose one of these.")
    })
}

/// The word of a field that has to say something.
pub(crate) fn needed_word<T: Described + DeserializeOwned>(field: &str, said: &Word<T>) -> Result<T, ApiError> {
    let options = || T::OPTIONS.iter().filter(|option| !option.is_empty()).copied().collect::<Vec<_>>().join(", ");
    word(field, said)?.ok_or_else(|| missing(field, &options()))
}

/// A field that the action can't do without.
pub(crate) fn missing(field: &str, options: &str) -> ApiError {
    invalid(format_args!("the body has no {field}"), format_args!("Give it one of {options}."))
}

/// A value that can't be used.
pub(crate) fn invalid(message: impl std::fmt::Display, next_step: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Invalid, message, next_step)
}
