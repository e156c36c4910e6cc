//! `GET /v1/audits?user=…&from=…&limit=…&before=…`

use aurochs_api::audit::Audit as AuditView;
use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Query, State};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::audit::{Audit, Filter, Kept};
use crate::error::{ApiError, ErrorKind};
use crate::view::audit;
use crate::view::envelope::{self, Links};
use crate::web::request_url::RequestUrl;

/// Entries on a page, unless the client says how many.
const LIMIT_DEFAULT: u32 = 100;
/// A page of more is slow for everybody.
const LIMIT_MAXIMUM: u32 = 1000;

/// What is looked for. Empty is as good as absent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Wanted {
    user: String,
    object_type: String,
    object: String,
    action: String,
    result: String,
    /// RFC 3339.
    from: String,
    to: String,
    /// Number of the entry that ended the page before.
    before: String,
    limit: String,
}

/// The latest first, page by page: the link `next` leads to what is older.
pub async fn handle(
    State(log): State<Audit>,
    url: RequestUrl,
    OriginalUri(uri): OriginalUri,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Collection<Resource<AuditView>>>, ApiError> {
    let Query(wanted) = wanted.map_err(|error| invalid(error.body_text()))?;
    let filter = filter(&wanted)?;
    let kept = log.list(&filter).await.map_err(|error| ApiError::internal("reading the audit log", error))?;
    let links = Links::of(&url);
    let data = kept.iter().map(|kept| audit::resource(kept, links)).collect();
    let mut list = envelope::collection("audit", &url, data);
    if let Some(last) = kept.last().filter(|last| last.id > 1 && kept.len() >= filter.limit as usize) {
        list.links.insert("next".to_owned(), next(&url.current(), uri.query().unwrap_or_default(), last));
    }
    Ok(Json(list))
}

fn filter(wanted: &Wanted) -> Result<Filter, ApiError> {
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let limit = number("limit", &wanted.limit)?.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 || limit > LIMIT_MAXIMUM {
        return Err(invalid(format_args!("limit can't be {limit}, only a number from 1 to {LIMIT_MAXIMUM}")));
    }
    Ok(Filter {
        user: text(&wanted.user),
        noun: text(&wanted.object_type),
        object: text(&wanted.object),
        action: text(&wanted.action),
        result: text(&wanted.result),
        since: moment("from", &wanted.from)?,
        until: moment("to", &wanted.to)?,
        before: number("before", &wanted.before)?,
        limit,
    })
}

fn number<T: std::str::FromStr>(field: &str, text: &str) -> Result<Option<T>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| invalid(format_args!("{field} can't be {text:?}, only a whole number")))
}

fn moment(field: &str, text: &str) -> Result<Option<OffsetDateTime>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| invalid(format_args!("{field} can't be {text:?}, only a time such as 2026-07-01T12:00:00Z"));
    OffsetDateTime::parse(text, &Rfc3339).map(Some).map_err(wrong)
}

fn invalid(message: impl std::fmt::Display) -> ApiError {
    let next_step = "Filters: user, objectType, object, action, result, from, to; pages: limit, before.";
    ApiError::new(ErrorKind::BadRequest, message, next_step)
}

/// The same question about what is older.
fn next(address: &str, query: &str, last: &Kept) -> String {
    let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("before="));
    let others: String = others.map(|pair| format!("{pair}&")).collect();
    format!("{address}?{others}before={}", last.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_filters_are_told() {
        let with = |change: fn(&mut Wanted)| {
            let mut wanted = Wanted::default();
            change(&mut wanted);
            filter(&wanted).map(|filter| filter.limit).map_err(|error| error.message)
        };
        assert_eq!(with(|_| {}), Ok(LIMIT_DEFAULT));
        for (change, words) in [
            ((|wanted| wanted.limit = "0".to_owned()) as fn(&mut Wanted), "from 1 to 1000"),
            (|wanted| wanted.limit = "many".to_owned(), "whole number"),
            (|wanted| wanted.before = "1.5".to_owned(), "whole number"),
            (|wanted| wanted.from = "yesterday".to_owned(), "2026-07-01"),
        ] {
            let message = with(change).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
    }
}
