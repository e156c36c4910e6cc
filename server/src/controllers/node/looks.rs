//! What is asked of a node's instance manager, and what is known of disks beside that.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aurochs_api::cause::Severity;
use aurochs_api::node::{EnvironmentItem, FrontendOffer};
use aurochs_engine::grpc::instance_v1::{
    DiskInspectReply, DiskInspectRequest, EnvironmentCheckRequest, EnvironmentSeverity, FrontendListRequest,
};

use super::super::{Context, Error};
use super::trouble::Look;
use crate::instance::{Answering, ClientError, LOOK_TIMEOUT, rpc, within};
use crate::resources::{Node, Object};
use crate::settings::Name;

/// How often a machine's environment is checked: packages and modules come by a person's hand.
const ENVIRONMENT_PERIOD: Duration = Duration::from_secs(600);

/// What a look at a disk may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Make {
    Nothing,
    /// The identity of a disk that was just added; its directory has to be there.
    Configuration,
    /// The directory too: only for a path that the product chose.
    Directory,
}

/// The disk at a path; the error is for people.
pub(super) async fn inspect(context: &Context, node: &str, path: &str, make: Make) -> Result<DiskInspectReply, String> {
    let request = DiskInspectRequest {
        path: path.to_owned(),
        create: make == Make::Directory,
        identify: make == Make::Configuration,
    };
    let mut manager = context.clients.manager(node).map_err(|error| error.to_string())?;
    match manager.disk_inspect(within(LOOK_TIMEOUT, request)).await {
        Ok(reply) => Ok(reply.into_inner()),
        Err(status) if matches!(status.code(), tonic::Code::DeadlineExceeded | tonic::Code::Cancelled) => {
            Err(format!("{path} on {node} did not answer within {} s: the disk hangs", LOOK_TIMEOUT.as_secs()))
        }
        Err(status) => Err(status.message().to_owned()),
    }
}

pub(super) async fn frontends(context: &Context, node: &str) -> Result<Vec<FrontendOffer>, Error> {
    let reply = context.clients.manager(node)?.frontend_list(within(LOOK_TIMEOUT, FrontendListRequest {})).await;
    let reply = reply.map_err(rpc(format!("asking {node} for its frontends")))?.into_inner();
    let offers = reply.frontends.into_iter();
    Ok(offers
        .map(|offer| FrontendOffer { kind: offer.kind, available: offer.available, reason: offer.reason })
        .collect())
}

/// The path of a node's default disk: below `default-data-path`, and where several nodes share a machine in a directory
/// of each node's own.
pub(super) fn default_path(context: &Context, node: &str) -> Option<String> {
    let set = context.settings.text(Name::DefaultDataPath);
    let own = context.default_disks.get(node).map(|path| path.to_string_lossy().into_owned());
    let is_longhorns = Path::new(&set) == Path::new(Name::DefaultDataPath.definition().default);
    if own.is_some() && (set.is_empty() || is_longhorns) {
        return own;
    }
    let base = Path::new(&set);
    if !base.is_absolute() {
        return None;
    }
    let path = if own.is_some() { base.join(node) } else { base.to_owned() };
    Some(path.to_string_lossy().into_owned())
}

/// How many disks of all nodes lie on each file system.
pub(super) fn sharing(
    context: &Context,
    node: &str,
    nodes: &[Object<Node>],
    looks: &BTreeMap<String, Look>,
) -> BTreeMap<String, u64> {
    let mut sharing: BTreeMap<String, u64> = BTreeMap::new();
    let found = || looks.values().filter_map(Look::found);
    for look in found() {
        *sharing.entry(look.filesystem_id.clone()).or_default() += 1;
    }
    for other in nodes.iter().filter(|other| other.name() != node) {
        for disk in other.status.disk_status.values().filter(|disk| !disk.filesystem_id.is_empty()) {
            *sharing.entry(disk.filesystem_id.clone()).or_default() += 1;
        }
        // A node whose first inspection is still to come: its default disk lies beside ours.
        if other.status.disk_status.is_empty()
            && !other.spec.disks.is_empty()
            && context.default_disks.contains_key(other.name())
        {
            for look in found() {
                *sharing.entry(look.filesystem_id.clone()).or_default() += 1;
            }
        }
    }
    sharing
}

/// The identities that are recorded for disks of other nodes; of two the first by name counts.
pub(super) fn identities(node: &str, nodes: &[Object<Node>]) -> BTreeMap<String, (String, String)> {
    let mut identities = BTreeMap::new();
    for other in nodes.iter().filter(|other| other.name() != node) {
        for (name, disk) in other.status.disk_status.iter().filter(|(_, disk)| !disk.disk_uuid.is_empty()) {
            identities.entry(disk.disk_uuid.clone()).or_insert_with(|| (other.name().to_owned(), name.clone()));
        }
    }
    identities
}

/// When each node's environment was last checked, and by which instance manager.
#[derive(Debug, Default)]
pub(super) struct Memory {
    checked: Mutex<HashMap<String, (Instant, u32)>>,
}

impl Memory {
    /// What the machine has and lacks; none while the last answer is young enough, or when there is no answer.
    pub(super) async fn environment(
        &self,
        context: &Context,
        node: &Object<Node>,
        answering: &Answering,
    ) -> Option<Vec<EnvironmentItem>> {
        let Answering::Yes { pid, .. } = answering else { return None };
        let is_fresh = self
            .checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(node.name())
            .is_some_and(|(at, by)| by == pid && at.elapsed() < ENVIRONMENT_PERIOD);
        if is_fresh {
            return None;
        }
        let items = match environment(context, node.name()).await {
            Ok(items) => Some(items),
            Err(error) => {
                tracing::debug!(node = node.name(), %error, "the environment could not be checked");
                None
            }
        };
        // One that can't answer is not asked in every pass either.
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.insert(node.name().to_owned(), (Instant::now(), *pid));
        items
    }
}

async fn environment(context: &Context, node: &str) -> Result<Vec<EnvironmentItem>, ClientError> {
    // Disks tell of themselves; their figures would change the answer every time.
    let request = within(LOOK_TIMEOUT, EnvironmentCheckRequest::default());
    let reply = context.clients.manager(node)?.environment_check(request).await;
    let reply = reply.map_err(rpc(format!("checking the environment of {node}")))?.into_inner();
    let items = reply.items.into_iter().map(|item| EnvironmentItem {
        severity: match item.severity() {
            EnvironmentSeverity::EnvironmentError => Severity::Error,
            EnvironmentSeverity::EnvironmentWarning => Severity::Warning,
            EnvironmentSeverity::EnvironmentInfo | EnvironmentSeverity::Unspecified => Severity::Info,
        },
        name: item.name,
        ok: item.ok,
        message: item.message,
        remedy: item.remedy,
    });
    Ok(items.collect())
}
