//! `GET /v1/jobs`

use aurochs_api::job::Job;
use aurochs_api::schema::{Collection, Pagination, Resource};
use axum::Json;
use axum::extract::{Query, RawQuery, State};

use super::query::ListQuery;
use crate::error::ApiError;
use crate::jobs::{Jobs, Page};
use crate::view::envelope::{self, Links};
use crate::view::job;
use crate::web::request_url::RequestUrl;

/// A page of jobs, the latest first. `pagination.next` is the address of the next page, where there is one.
pub async fn handle(
    State(jobs): State<Jobs>,
    url: RequestUrl,
    RawQuery(raw): RawQuery,
    Query(query): Query<ListQuery>,
) -> Result<Json<Collection<Resource<Job>>>, ApiError> {
    let (filter, page) = query.read()?;
    // One more tells whether there is another page.
    let wanted = Page { limit: page.limit + 1, ..page };
    let found = jobs.list(&filter, wanted).await;
    let mut found = found.map_err(|error| ApiError::internal("reading the jobs", error))?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let is_partial = found.len() > limit;
    found.truncate(limit);
    let last = found.last().map(|seen| seen.record.id).filter(|_| is_partial);
    let next = last.map(|last| format!("{}?{}", url.current(), next_query(raw.as_deref(), &last.to_string())));
    let data = found.iter().map(|seen| job::resource(seen, &[], Links::of(&url))).collect();
    let mut list = envelope::collection("job", &url, data);
    list.pagination = Some(Pagination { limit: page.limit, partial: is_partial, next });
    Ok(Json(list))
}

/// The same question from another place on.
fn next_query(raw: Option<&str>, marker: &str) -> String {
    let kept = raw.unwrap_or_default().split('&').filter(|part| !part.is_empty() && !part.starts_with("marker="));
    let marker = format!("marker={marker}");
    kept.chain([marker.as_str()]).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_asked_the_same() {
        for (raw, expected) in [
            (None, "marker=7"),
            (Some("limit=2&volume=a%20b"), "limit=2&volume=a%20b&marker=7"),
            (Some("marker=9&limit=2&"), "limit=2&marker=7"),
        ] {
            assert_eq!(next_query(raw, "7"), expected);
        }
    }
}
