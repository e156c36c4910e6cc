//! What can be asked of the list: `?volume=data&kind=rebuild,purge&state=failed&from=2026-11-01T00:00:00Z&limit=50`.

use aurochs_api::describe::Described;
use aurochs_api::job::{JobKind, JobStarter, JobState};
use aurochs_api::word::Word;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{ApiError, ErrorKind};
use crate::jobs::{Filter, Page, Starter};

/// Jobs on a page where nobody says.
const LIMIT_DEFAULT: u32 = 100;
/// A longer page is refused: that many have a megabyte.
const LIMIT_MAXIMUM: u32 = 1000;

/// The query as it is written; empty values ask for nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListQuery {
    volume: String,
    node: String,
    object: String,
    /// Several with commas between them.
    kind: String,
    /// Several with commas between them; `outcome` is another word for it.
    state: String,
    outcome: String,
    /// `user`, `user:ann`, `recurringJob:nightly`, `system`.
    started_by: String,
    from: String,
    to: String,
    limit: String,
    marker: String,
}

impl ListQuery {
    pub(super) fn read(self) -> Result<(Filter, Page), ApiError> {
        let mut states = words::<JobState>("state", &self.state)?;
        states.extend(words::<JobState>("outcome", &self.outcome)?);
        let filter = Filter {
            volume: said(self.volume),
            node: said(self.node),
            object: said(self.object),
            kinds: words::<JobKind>("kind", &self.kind)?,
            states,
            started_by: said(self.started_by).map(|text| starter(&text)).transpose()?,
            from: said(self.from).map(|text| moment("from", &text)).transpose()?,
            to: said(self.to).map(|text| moment("to", &text)).transpose()?,
        };
        let limit = said(self.limit).map_or(Ok(LIMIT_DEFAULT), |text| limit(&text))?;
        let before = said(self.marker).map(|text| text.parse().map_err(|error| wrong("marker", &text, error)));
        Ok((filter, Page { limit, before: before.transpose()? }))
    }
}

fn said(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn words<T: Described + DeserializeOwned>(field: &str, list: &str) -> Result<Vec<T>, ApiError> {
    let known = |text: &&str| !text.is_empty();
    let read = |text: &str| {
        // What a later version knows reads as something else here; only the words that are told can be asked for.
        let word = Some(text).filter(|text| T::OPTIONS.contains(text)).map(Word::<T>::from);
        let read = word.and_then(|word| word.read().ok().flatten());
        read.ok_or_else(|| wrong(field, text, format_args!("it is none of {}", T::OPTIONS.join(", "))))
    };
    list.split(',').map(str::trim).filter(known).map(read).collect()
}

fn starter(text: &str) -> Result<Starter, ApiError> {
    let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
    let kind = words::<JobStarter>("startedBy", kind)?.first().copied();
    let kind = kind.ok_or_else(|| wrong("startedBy", text, "it begins with user, recurringJob or system"))?;
    Ok(Starter { kind, name: name.filter(|name| !name.is_empty()).map(str::to_owned) })
}

fn moment(field: &str, text: &str) -> Result<OffsetDateTime, ApiError> {
    // A plus stands for a space in a query; no time has one.
    OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339)
        .map_err(|_| wrong(field, text, "a time looks like 2026-11-01T13:30:00Z"))
}

fn limit(text: &str) -> Result<u32, ApiError> {
    let number = text.parse().ok().filter(|number| (1..=LIMIT_MAXIMUM).contains(number));
    number.ok_or_else(|| wrong("limit", text, format_args!("it is a whole number from 1 to {LIMIT_MAXIMUM}")))
}

fn wrong(field: &str, value: &str, why: impl std::fmt::Display) -> ApiError {
    let value: String = value.chars().take(100).collect();
    let message = format_args!("jobs can't be listed with {field}={value:?}: {why}");
    ApiError::new(ErrorKind::Invalid, message, "Correct it, or leave it out.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(change: impl FnOnce(&mut ListQuery)) -> Result<(Filter, Page), ApiError> {
        let mut query = ListQuery::default();
        change(&mut query);
        query.read()
    }

    #[test]
    fn what_can_be_asked() {
        let (filter, page) = read(|_| {}).unwrap();
        assert_eq!((filter, page), (Filter::default(), Page { limit: LIMIT_DEFAULT, before: None }));
        let (filter, page) = read(|query| {
            query.kind = "rebuild, snapshotHash".into();
            query.outcome = "failed".into();
            query.started_by = "user:ann:b".into();
            query.from = "2026-11-01T00:00:00 01:00".into();
            (query.limit, query.marker) = ("5".into(), "12".into());
        })
        .unwrap();
        assert_eq!(filter.kinds, [JobKind::Rebuild, JobKind::SnapshotHash]);
        assert_eq!(filter.states, [JobState::Failed]);
        let by = Starter { kind: JobStarter::User, name: Some("ann:b".to_owned()) };
        assert_eq!(filter.started_by, Some(by));
        assert_eq!(filter.from.unwrap().unix_timestamp(), 1_793_487_600);
        assert_eq!((page.limit, page.before), (5, Some("12".parse().unwrap())));
    }

    #[test]
    fn what_can_not_be_asked_is_said() {
        type Change = fn(&mut ListQuery);
        let rows: [(Change, &str); 8] = [
            (|query| query.kind = "reboot".into(), "snapshotHash"),
            (|query| query.state = "done".into(), "succeeded"),
            (|query| query.started_by = "ann".into(), "recurringJob"),
            (|query| query.from = "yesterday".into(), "2026"),
            (|query| query.to = "1".into(), "to="),
            (|query| query.limit = "0".into(), "1 to 1000"),
            (|query| query.limit = "1001".into(), "1 to 1000"),
            (|query| query.marker = "-5".into(), "above zero"),
        ];
        for (change, words) in rows {
            let error = read(change).unwrap_err();
            assert!(error.kind == ErrorKind::Invalid && error.message.contains(words), "{}", error.message);
        }
    }
}
