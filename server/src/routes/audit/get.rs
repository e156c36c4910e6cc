//! `GET /v1/audits/{name}`

use aurochs_api::audit::Audit as AuditView;
use aurochs_api::schema::Resource;
use axum::Json;
use axum::extract::{Path, State};

use crate::audit::Audit;
use crate::error::ApiError;
use crate::view::audit;
use crate::view::envelope::Links;
use crate::web::request_url::RequestUrl;

/// One entry, by its number.
pub async fn handle(
    State(log): State<Audit>,
    url: RequestUrl,
    Path(name): Path<String>,
) -> Result<Json<Resource<AuditView>>, ApiError> {
    let number = name.parse().map_err(|_| ApiError::not_found("audit", &name))?;
    let found = log.find(number).await.map_err(|error| ApiError::internal("reading the audit log", error))?;
    let kept = found.ok_or_else(|| ApiError::not_found("audit", &name))?;
    Ok(Json(audit::resource(&kept, Links::of(&url))))
}
