//! `GET /v1/disktags` and `GET /v1/nodetags`

use std::collections::BTreeSet;

use aurochs_api::schema::{Collection, Resource};
use aurochs_api::tag::{Tag, TagType};
use axum::Json;
use axum::extract::State;

use crate::error::ApiError;
use crate::resources::{Node, Object};
use crate::store::Store;
use crate::view::envelope::{self, Links};
use crate::web::request_url::RequestUrl;

type Answer = Json<Collection<Resource<Tag>>>;

/// All tags that a disk has, by name.
pub async fn disks(State(store): State<Store>, url: RequestUrl) -> Result<Answer, ApiError> {
    let nodes = store.list::<Node>().await?;
    let tags = nodes.iter().flat_map(|node| node.spec.disks.values()).flat_map(|disk| &disk.tags);
    Ok(answer(&url, TagType::Disk, tags))
}

/// All tags that a node has, by name.
pub async fn nodes(State(store): State<Store>, url: RequestUrl) -> Result<Answer, ApiError> {
    let nodes = store.list::<Node>().await?;
    Ok(answer(&url, TagType::Node, nodes.iter().flat_map(|node: &Object<Node>| &node.spec.tags)))
}

fn answer<'a>(url: &RequestUrl, tag_type: TagType, tags: impl Iterator<Item = &'a String>) -> Answer {
    let names: BTreeSet<&String> = tags.collect();
    let links = Links::of(url);
    let data = names.into_iter().map(|name| links.thing(name, Tag { name: name.clone(), tag_type })).collect();
    Json(envelope::collection("tag", url, data))
}
