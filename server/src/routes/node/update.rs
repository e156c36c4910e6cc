//! `PUT /v1/nodes/{name}`: whether a node takes replicas, whether it is emptied, its tags; ours: whether it is cordoned, its
//! labels and annotations.

use std::collections::BTreeMap;

use aurochs_api::node::NodeUpdate;
use axum::Json;
use axum::extract::{Path, State};

use super::get;
use crate::auth::User;
use crate::controllers::job::keys;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::{Jobs, StartedBy};
use crate::resources::{Node, Object};
use crate::routes::body::Body;
use crate::store::Store;
use crate::view::envelope::Links;
use crate::view::node;
use crate::web::request_url::RequestUrl;

/// Each label is a row of the store; a node has hardly more than a dozen.
const LABELS_MAXIMUM: usize = 64;
/// Every search for a place looks at all tags of all nodes and disks.
const TAGS_MAXIMUM: usize = 64;
/// Kubernetes' limits of labels and annotations.
const KEY_MAXIMUM: usize = 317;
const LABEL_VALUE_MAXIMUM: usize = 63;
const ANNOTATIONS_MAXIMUM_BYTES: usize = 256 << 10;

/// Answers with the node.
pub async fn handle(
    State(store): State<Store>,
    State(jobs): State<Jobs>,
    url: RequestUrl,
    user: User,
    Path(name): Path<String>,
    Body(update): Body<NodeUpdate>,
) -> Result<get::Answer, ApiError> {
    let tags = update.tags.as_deref().map(tags).transpose()?;
    update.labels.as_ref().map(check_labels).transpose()?;
    update.annotations.as_ref().map(check_annotations).transpose()?;
    if update.eviction_requested == Some(true) {
        jobs.expect(keys::evacuation(&name, None), StartedBy::User(user.name));
    }
    let mut refusal = None;
    let change = |node: &mut Object<Node>| {
        let mut wished = node.clone();
        apply(&mut wished, &update, tags.as_ref());
        refusal = eviction_refusal(&wished);
        if refusal.is_none() {
            *node = wished;
        }
    };
    let changed = store.modify::<Node>(&name, change).await?;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    tracing::info!(node = name, "changed");
    Ok(Json(node::resource(&changed, Links::of(&url))))
}

fn apply(node: &mut Object<Node>, update: &NodeUpdate, tags: Option<&Vec<String>>) {
    let spec = &mut node.spec;
    spec.allow_scheduling = update.allow_scheduling.unwrap_or(spec.allow_scheduling);
    spec.eviction_requested = update.eviction_requested.unwrap_or(spec.eviction_requested);
    spec.cordoned = update.cordoned.unwrap_or(spec.cordoned);
    spec.instance_manager_cpu_request =
        update.instance_manager_cpu_request.unwrap_or(spec.instance_manager_cpu_request);
    if let Some(tags) = tags {
        spec.tags.clone_from(tags);
    }
    if let Some(labels) = &update.labels {
        node.metadata.labels.clone_from(labels);
    }
    if let Some(annotations) = &update.annotations {
        node.metadata.annotations.clone_from(annotations);
    }
}

/// Longhorn's rule: what is emptied takes nothing new.
pub(crate) fn eviction_refusal(node: &Object<Node>) -> Option<ApiError> {
    (node.spec.eviction_requested && node.spec.allow_scheduling).then(|| {
        let message = format_args!("need to disable scheduling on node {} for node eviction", node.name());
        ApiError::new(
            ErrorKind::Invalid,
            message,
            "Send allowScheduling false with it, or evictionRequested false to go on scheduling.",
        )
    })
}

/// Sorted and without doubles; a tag has the form of a label's key, as in Longhorn.
pub(crate) fn tags(tags: &[String]) -> Result<Vec<String>, ApiError> {
    let mut tags: Vec<String> = tags.iter().map(|tag| tag.trim().to_owned()).collect();
    tags.sort();
    tags.dedup();
    if tags.len() > TAGS_MAXIMUM {
        let message =
            format_args!("{} tags are more than the {TAGS_MAXIMUM} that a node or a disk can have", tags.len());
        return Err(ApiError::new(ErrorKind::Invalid, message, "Keep those that volumes select by."));
    }
    match tags.iter().find(|tag| check_key(tag).is_err()) {
        None => Ok(tags),
        Some(bad) => {
            let message = format_args!("at least one error encountered while validating tags: {bad:?} is none");
            Err(ApiError::new(
                ErrorKind::Invalid,
                message,
                "Use words of letters, digits, dashes, underscores and dots, such as ssd or rack-7.",
            ))
        }
    }
}

fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if labels.len() > LABELS_MAXIMUM {
        let message = format_args!("{} labels are more than the {LABELS_MAXIMUM} that a node can have", labels.len());
        return Err(ApiError::new(ErrorKind::Invalid, message, "Keep other notes in annotations."));
    }
    labels.keys().try_for_each(|key| check_key(key))?;
    let is_word = |value: &str| {
        let bytes = value.as_bytes();
        let ends = [bytes.first(), bytes.last()].into_iter().flatten().all(u8::is_ascii_alphanumeric);
        ends && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    match labels.values().find(|value| value.len() > LABEL_VALUE_MAXIMUM || !is_word(value)) {
        None => Ok(()),
        Some(value) => {
            let message = format_args!("{value:?} is no value of a label");
            let next_step =
                "Use at most 63 letters, digits, dashes, underscores and dots, with a letter or digit at both ends.";
            Err(ApiError::new(ErrorKind::Invalid, message, next_step))
        }
    }
}

fn check_annotations(annotations: &BTreeMap<String, String>) -> Result<(), ApiError> {
    annotations.keys().try_for_each(|key| check_key(key))?;
    let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes <= ANNOTATIONS_MAXIMUM_BYTES {
        return Ok(());
    }
    let message = format_args!("the annotations have {bytes} bytes, more than {ANNOTATIONS_MAXIMUM_BYTES}");
    Err(ApiError::new(ErrorKind::Invalid, message, "Keep notes of that size elsewhere."))
}

/// `name` or `prefix/name`.
fn check_key(key: &str) -> Result<(), ApiError> {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    if !name.is_empty() && name.len() <= LABEL_VALUE_MAXIMUM && key.len() <= KEY_MAXIMUM && key.bytes().all(is_plain) {
        return Ok(());
    }
    let message = format_args!("{key:?} is no key of a label or an annotation");
    Err(ApiError::new(ErrorKind::Invalid, message, "Use keys such as topology.kubernetes.io/zone."))
}
