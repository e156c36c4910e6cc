//! `PUT /v1/nodes/{name}`: whether a node takes replicas, and its tags.

use aurochs_api::node::NodeUpdate;
use axum::Json;
use axum::extract::{Path, State};

use super::get;
use crate::error::{ApiError, ErrorKind};
use crate::resources::Node;
use crate::routes::body::Body;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::node;
use crate::web::request_url::RequestUrl;

/// Answers with the node.
pub async fn handle(
    State(store): State<Store>,
    url: RequestUrl,
    Path(name): Path<String>,
    Body(update): Body<NodeUpdate>,
) -> Result<get::Answer, ApiError> {
    let tags = update.tags.as_deref().map(tags).transpose()?;
    let changed = store
        .modify::<Node>(&name, |node| {
            let spec = &mut node.spec;
            spec.allow_scheduling = update.allow_scheduling.unwrap_or(spec.allow_scheduling);
            spec.eviction_requested = update.eviction_requested.unwrap_or(spec.eviction_requested);
            spec.instance_manager_cpu_request =
                update.instance_manager_cpu_request.unwrap_or(spec.instance_manager_cpu_request);
            if let Some(tags) = &tags {
                spec.tags.clone_from(tags);
            }
        })
        .await?;
    tracing::info!(node = name, "changed");
    Ok(Json(node::resource(&changed, Links::of(&url))))
}

/// Sorted and without doubles; a tag becomes part of selectors, so it has no blanks in it.
pub(super) fn tags(tags: &[String]) -> Result<Vec<String>, ApiError> {
    let mut tags: Vec<String> = tags.iter().map(|tag| tag.trim().to_owned()).collect();
    tags.sort();
    tags.dedup();
    match tags.iter().find(|tag| tag.is_empty() || tag.contains(char::is_whitespace) || tag.contains(',')) {
        None => Ok(tags),
        Some(bad) => {
            let message = format_args!("{bad:?} is no tag: it is empty or has a blank or a comma in it");
            Err(ApiError::new(ErrorKind::Invalid, message, "Use words such as ssd or rack-7."))
        }
    }
}
