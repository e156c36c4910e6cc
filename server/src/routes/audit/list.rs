//! `GET /v1/audits?user=…&from=…&limit=…&marker=…`

use aurochs_api::audit::{Audit as AuditView, AuditQuestion};
use aurochs_api::schema::{Collection, Resource};
use axum::Json;
use axum::extract::{Query, RawQuery, State};

use crate::audit::{Audit, Filter};
use crate::error::ApiError;
use crate::routes::pages::{self, Reader, said};
use crate::view::audit;
use crate::view::envelope::{self, Links};
use crate::web::request_url::RequestUrl;

const ENTRIES: Reader = Reader { of: "entries of the audit log" };

/// A page of entries, the latest first. `pagination.next` is the address of the next page, where there is one.
pub async fn handle(
    State(log): State<Audit>,
    url: RequestUrl,
    RawQuery(raw): RawQuery,
    Query(asked): Query<AuditQuestion>,
) -> Result<Json<Collection<Resource<AuditView>>>, ApiError> {
    let limit = ENTRIES.limit(&asked.limit)?;
    let found = log.list(&Filter { limit: limit + 1, ..filter(&asked)? }).await;
    let mut found = found.map_err(|error| ApiError::internal("reading the audit log", error))?;
    let pagination = pages::cut(&mut found, limit, &url, raw.as_deref(), |kept| kept.id.to_string());
    let links = Links::of(&url);
    let data = found.iter().map(|kept| audit::resource(kept, links)).collect();
    Ok(Json(Collection { pagination: Some(pagination), ..envelope::collection("audit", &url, data) }))
}

fn filter(asked: &AuditQuestion) -> Result<Filter, ApiError> {
    let text = |text: &str| said(text).map(str::to_owned);
    Ok(Filter {
        user: text(&asked.user),
        noun: text(&asked.object_type),
        object: text(&asked.object),
        action: text(&asked.action),
        result: text(&asked.result),
        since: ENTRIES.moment("from", &asked.from)?,
        until: ENTRIES.moment("to", &asked.to)?,
        before: ENTRIES.marker(&asked.marker)?,
        ..Filter::default()
    })
}
