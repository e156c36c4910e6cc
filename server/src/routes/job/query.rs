//! What can be asked of the list: `?volume=data&kind=rebuild,purge&state=failed&from=2026-11-01T00:00:00Z&limit=50`.

use aurochs_api::describe::Described;
use aurochs_api::job::{JobKind, JobQuestion, JobStarter, JobState};
use aurochs_api::word::Word;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::jobs::{Filter, Page, Starter};
use crate::routes::pages::{Reader, said};

const JOBS: Reader = Reader { of: "jobs" };

/// Which jobs, and which page of them.
pub(super) fn read(asked: &JobQuestion) -> Result<(Filter, Page), ApiError> {
    let mut states = words::<JobState>("state", &asked.state)?;
    states.extend(words::<JobState>("outcome", &asked.outcome)?);
    let text = |text: &str| said(text).map(str::to_owned);
    let filter = Filter {
        volume: text(&asked.volume),
        node: text(&asked.node),
        object: text(&asked.object),
        kinds: words::<JobKind>("kind", &asked.kind)?,
        states,
        started_by: said(&asked.started_by).map(starter).transpose()?,
        from: JOBS.moment("from", &asked.from)?,
        to: JOBS.moment("to", &asked.to)?,
    };
    Ok((filter, Page { limit: JOBS.limit(&asked.limit)?, before: JOBS.marker(&asked.marker)? }))
}

fn words<T: Described + DeserializeOwned>(field: &str, list: &str) -> Result<Vec<T>, ApiError> {
    let known = |text: &&str| !text.is_empty();
    let read = |text: &str| {
        // What a later version knows reads as something else here; only the words that are told can be asked for.
        let word = Some(text).filter(|text| T::OPTIONS.contains(text)).map(Word::<T>::from);
        let read = word.and_then(|word| word.read().ok().flatten());
        read.ok_or_else(|| JOBS.wrong(field, text, format_args!("it is none of {}", T::OPTIONS.join(", "))))
    };
    list.split(',').map(str::trim).filter(known).map(read).collect()
}

fn starter(text: &str) -> Result<Starter, ApiError> {
    let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
    let kind = words::<JobStarter>("startedBy", kind)?.first().copied();
    let kind = kind.ok_or_else(|| JOBS.wrong("startedBy", text, "it begins with user, recurringJob or system"))?;
    Ok(Starter { kind, name: name.filter(|name| !name.is_empty()).map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::routes::pages::LIMIT_DEFAULT;

    fn read(change: impl FnOnce(&mut JobQuestion)) -> Result<(Filter, Page), ApiError> {
        let mut asked = JobQuestion::default();
        change(&mut asked);
        super::read(&asked)
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
        type Change = fn(&mut JobQuestion);
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
