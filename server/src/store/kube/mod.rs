//! Resources as custom resources of a Kubernetes API server.
//!
//! 1. [`follow`] — each kind is listed and watched;
//! 2. [`picture`] — what is known of it, from which all reads are answered, and the announcements;
//! 3. this file — a write goes to the API server ([`server`]), and its answer is given when the picture has it;
//! 4. [`form`] — how an object stands there, and how here.
//!
//! **A read sees every write that was answered before it**, as with the other keeper: the writer waits for the follower.
//! What others wrote is seen when the watch tells it; who writes on an older state than the API server's is refused
//! (`Conflict`), since every write names the version that it replaces.
//!
//! A write that would change nothing is not sent: an API server, and the etcd behind it, has few hundred of them a second
//! for everybody.

mod follow;
mod form;
mod picture;
mod server;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::Method;
use kube::Client;
use serde_json::Value;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;

use super::{RawError, RawEvent, RawList, RawObject, RawStore, StoreError, decode};
use crate::resources::definition::{self, Definition, VERSION};
use crate::resources::{GROUP, Kind, Metadata, Object};
use follow::Follower;
use form::Part;
use picture::{Picture, State};
use server::{Ask, Server};

/// Changes a watcher may lag behind before it has to list again. One change is a few kilobytes, shared.
const CHANGES_BUFFERED: usize = 4096;
/// How long the first lists of all kinds may take.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a writer waits to be told of its own write, before the connection is taken for broken …
const TOLD_PATIENCE: Duration = Duration::from_secs(3);
/// … and before it gives up. The write has happened then.
const TOLD_PATIENCE_LONGEST: Duration = Duration::from_secs(30);

/// Why the store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the API server knows no {0}: the custom resource definitions are missing; apply deploy/chart/files/crds.yaml \
         (aurochs crds | kubectl apply --server-side -f -)"
    )]
    NoDefinition(String),
    #[error("can't read {plural} in namespace {namespace}: {why}; give the manager's service account its role")]
    Refused { plural: &'static str, namespace: String, why: String },
    #[error("the API server does not answer: {0}; it is tried again when the manager is started again")]
    Silent(String),
}

/// A store on a Kubernetes API server; cheap to clone. The last one ends the following.
#[derive(Clone)]
pub struct Kube {
    shared: Arc<Shared>,
}

struct Shared {
    server: Server,
    namespace: String,
    kinds: HashMap<&'static str, Followed>,
    changes: broadcast::Sender<RawEvent>,
    tasks: Vec<JoinHandle<()>>,
}

/// One kind.
struct Followed {
    definition: Arc<Definition>,
    address: String,
    picture: Arc<Picture>,
    nudge: Arc<Notify>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Kube {
    /// Lists all kinds of the namespace once, and follows them.
    pub async fn open(client: Client, namespace: &str) -> Result<Self, OpenError> {
        Self::open_buffered(client, namespace, CHANGES_BUFFERED).await
    }

    /// As `open`, with room for this many changes that a watcher has not read.
    pub async fn open_buffered(client: Client, namespace: &str, changes_buffered: usize) -> Result<Self, OpenError> {
        let (server, changes) = (Server::new(client), broadcast::Sender::new(changes_buffered));
        let (mut kinds, mut followers) = (HashMap::new(), Vec::new());
        for definition in definition::all().into_iter().filter(Definition::is_ours) {
            let plural = definition.names.plural;
            let address = format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{plural}");
            let (definition, picture) = (Arc::new(definition), Arc::new(Picture::new(plural, changes.clone())));
            let nudge = Arc::<Notify>::default();
            followers.push(Follower {
                server: server.clone(),
                definition: definition.clone(),
                address: address.clone(),
                picture: picture.clone(),
                nudge: nudge.clone(),
            });
            kinds.insert(plural, Followed { definition, address, picture, nudge });
        }
        let versions = list_all(&followers, namespace).await?;
        let followed = followers.into_iter().zip(versions);
        let tasks = followed.map(|(follower, version)| tokio::spawn(follower.run(version))).collect();
        let shared = Shared { server, namespace: namespace.to_owned(), kinds, changes, tasks };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Requests that could change something since it was opened: what the API server has to bear.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.shared.server.writes()
    }

    fn kind(&self, plural: &'static str) -> Result<&Followed, RawError> {
        let found = self.shared.kinds.get(plural);
        found.ok_or_else(|| RawError::Backend {
            doing: format!("finding {plural}"),
            source: "there is no such kind".into(),
        })
    }

    /// Sends a write and returns with its answer when the picture has it too. In a task of its own: a caller that goes away
    /// must not leave others with a read that is older than what was written.
    async fn write(
        &self,
        plural: &'static str,
        ask: Ask,
        subject: Metadata,
        awaited: Awaited,
    ) -> Result<Value, RawError> {
        let (kube, doing) = (self.clone(), ask.doing.clone());
        let task = tokio::spawn(async move {
            let kind = kube.kind(plural)?;
            let answer = match kube.shared.server.ask(&ask).await {
                Ok(answer) => answer,
                Err(refusal) => {
                    kind.understand(&refusal, &subject, &ask.doing).await;
                    return Err(refusal);
                }
            };
            let version =
                answer["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
            kind.told(|state| awaited.is_in(state, &subject, version), &ask.doing).await?;
            Ok(answer)
        });
        task.await.map_err(|join| RawError::Backend { doing, source: Box::new(join) })?
    }
}

impl Followed {
    fn read(&self, answer: Value, doing: &str) -> Result<RawObject, RawError> {
        let read = form::read(&self.definition, answer);
        read.map_err(|error| RawError::Backend { doing: doing.to_owned(), source: Box::new(error) })
    }

    /// The stored object, if it is the one that the caller saw.
    fn stored(&self, seen: &RawObject) -> Result<Arc<RawObject>, RawError> {
        let stored = self.picture.get(&seen.metadata.name).ok_or(RawError::NotFound)?;
        let is_same = stored.metadata.resource_version == seen.metadata.resource_version;
        if is_same && stored.metadata.uid == seen.metadata.uid { Ok(stored) } else { Err(RawError::Conflict) }
    }

    /// Waits until the follower has brought what was written.
    async fn told(&self, is_there: impl Fn(&State) -> bool, doing: &str) -> Result<(), RawError> {
        let told = self.picture.until(is_there);
        tokio::pin!(told);
        if tokio::time::timeout(TOLD_PATIENCE, &mut told).await.is_ok() {
            return Ok(());
        }
        tracing::debug!(doing, "a write was answered and not told; connecting again");
        self.nudge.notify_one();
        let rest = TOLD_PATIENCE_LONGEST - TOLD_PATIENCE;
        tokio::time::timeout(rest, told).await.map_err(|elapsed| RawError::Backend {
            doing: format!("waiting to be told of {doing}"),
            source: Box::new(elapsed),
        })
    }

    /// After a refusal that says that the picture is old: waits until it shows why, so that whoever reads it again sees
    /// more than before. A refusal is answered in any case.
    async fn understand(&self, refusal: &RawError, subject: &Metadata, doing: &str) {
        let shows = |state: &State| {
            let known = state.get(&subject.name);
            match refusal {
                RawError::AlreadyExists => known.is_some(),
                RawError::Conflict | RawError::NotFound => {
                    known.is_none_or(|known| known.metadata.resource_version != subject.resource_version)
                }
                RawError::Refused(_) | RawError::Backend { .. } => true,
            }
        };
        if tokio::time::timeout(TOLD_PATIENCE, self.picture.until(shows)).await.is_err() {
            tracing::debug!(doing, ?refusal, "a refusal is not explained by what is known; connecting again");
            self.nudge.notify_one();
        }
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }
}

/// What a writer waits for.
#[derive(Clone, Copy)]
enum Awaited {
    /// The version that was answered.
    Version,
    /// That the object goes or has gone; it may be another one by now.
    Going,
    /// That the object has gone.
    Gone,
}

impl Awaited {
    fn is_in(self, state: &State, subject: &Metadata, version: u64) -> bool {
        let known = state.get(&subject.name).map(|known| &known.metadata).filter(|known| known.uid == subject.uid);
        match self {
            Self::Version => state.has_seen(version),
            Self::Going => known.is_none_or(|known| known.deletion_timestamp.is_some()),
            Self::Gone => known.is_none(),
        }
    }
}

/// Lists every kind once, so that what is missing is told before anything runs. Answers with the versions of the lists.
async fn list_all(followers: &[Follower], namespace: &str) -> Result<Vec<String>, OpenError> {
    let lists = futures::future::join_all(followers.iter().map(Follower::list));
    let lists = tokio::time::timeout(START_PATIENCE, lists).await;
    let lists = lists.map_err(|elapsed| OpenError::Silent(elapsed.to_string()))?;
    let told = followers.iter().zip(lists).map(|(follower, listed)| {
        let definition = &follower.definition;
        listed.map_err(|error| match error {
            RawError::NotFound => OpenError::NoDefinition(definition.name()),
            RawError::Refused(why) => {
                OpenError::Refused { plural: definition.names.plural, namespace: namespace.to_owned(), why }
            }
            RawError::Backend { source, .. } => OpenError::Silent(source.to_string()),
            other => OpenError::Silent(format!("{other:?}")),
        })
    });
    told.collect()
}

/// An object as an API server sends it.
pub(crate) fn read<K: Kind>(definition: &Definition, sent: Value) -> Result<Object<K>, StoreError> {
    let raw = form::read(definition, sent)
        .map_err(|error| StoreError::Backend { doing: format!("reading a {}", K::KIND), source: Box::new(error) })?;
    decode(raw)
}

/// Whether an address can name an object of this name: Kubernetes knows no others.
fn is_name(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !name.is_empty() && name.len() <= 253 && name.chars().all(is_inner)
}

impl RawStore for Kube {
    fn get<'a>(&'a self, plural: &'static str, name: &'a str) -> BoxFuture<'a, Result<RawObject, RawError>> {
        Box::pin(async move {
            let found = self.kind(plural)?.picture.get(name).ok_or(RawError::NotFound)?;
            Ok(Arc::unwrap_or_clone(found))
        })
    }

    fn list<'a>(
        &'a self,
        plural: &'static str,
        label: Option<(&'a str, &'a str)>,
    ) -> BoxFuture<'a, Result<RawList, RawError>> {
        Box::pin(async move { Ok(self.kind(plural)?.picture.list(label)) })
    }

    fn create(&self, plural: &'static str, mut object: RawObject) -> BoxFuture<'_, Result<RawObject, RawError>> {
        Box::pin(async move {
            let kind = self.kind(plural)?;
            let name = object.metadata.name.clone();
            if kind.picture.get(&name).is_some() {
                return Err(RawError::AlreadyExists);
            }
            object.metadata.resource_version.clear();
            kind.definition.leave_out_empty("spec", &mut object.spec);
            let doing = format!("creating {plural}/{name}");
            let body = form::write(&kind.definition, &self.shared.namespace, &object, Part::Spec);
            let ask =
                Ask { method: Method::POST, address: kind.address.clone(), body: Some(body), doing: doing.clone() };
            let answer = self.write(plural, ask, object.metadata, Awaited::Version).await?;
            kind.read(answer, &doing)
        })
    }

    fn update(&self, plural: &'static str, object: RawObject) -> BoxFuture<'_, Result<RawObject, RawError>> {
        Box::pin(async move {
            let kind = self.kind(plural)?;
            let stored = kind.stored(&object)?;
            let mut next = RawObject::clone(&stored);
            next.spec = object.spec;
            next.metadata.labels = object.metadata.labels;
            next.metadata.annotations = object.metadata.annotations;
            next.metadata.finalizers = object.metadata.finalizers;
            next.metadata.owner_references = object.metadata.owner_references;
            kind.definition.leave_out_empty("spec", &mut next.spec);
            kind.definition.keep_foreign("spec", &stored.spec, &mut next.spec);
            if next == *stored {
                return Ok(next);
            }
            let is_last = next.metadata.deletion_timestamp.is_some() && next.metadata.finalizers.is_empty();
            let (name, doing) = (&next.metadata.name, format!("writing {plural}/{}", next.metadata.name));
            let body = form::write(&kind.definition, &self.shared.namespace, &next, Part::Spec);
            let ask = Ask { method: Method::PUT, address: kind.at(name), body: Some(body), doing: doing.clone() };
            if is_last {
                return self.write(plural, ask, next.metadata.clone(), Awaited::Gone).await.map(|_| next);
            }
            let answer = self.write(plural, ask, next.metadata, Awaited::Version).await?;
            kind.read(answer, &doing)
        })
    }

    fn update_status(&self, plural: &'static str, object: RawObject) -> BoxFuture<'_, Result<RawObject, RawError>> {
        Box::pin(async move {
            let kind = self.kind(plural)?;
            let stored = kind.stored(&object)?;
            let mut next = RawObject { status: object.status, ..RawObject::clone(&stored) };
            kind.definition.leave_out_empty("status", &mut next.status);
            kind.definition.keep_foreign("status", &stored.status, &mut next.status);
            form::keep_others(plural, &stored.status, &mut next.status);
            if next == *stored {
                return Ok(next);
            }
            let doing = format!("writing the status of {plural}/{}", next.metadata.name);
            let address = format!("{}/status", kind.at(&next.metadata.name));
            let body = form::write(&kind.definition, &self.shared.namespace, &next, Part::Status);
            let ask = Ask { method: Method::PUT, address, body: Some(body), doing: doing.clone() };
            let answer = self.write(plural, ask, next.metadata, Awaited::Version).await?;
            kind.read(answer, &doing)
        })
    }

    fn delete<'a>(&'a self, plural: &'static str, name: &'a str) -> BoxFuture<'a, Result<(), RawError>> {
        Box::pin(async move {
            let kind = self.kind(plural)?;
            if !is_name(name) {
                return Err(RawError::NotFound);
            }
            let doing = format!("deleting {plural}/{name}");
            let ask = Ask { method: Method::DELETE, address: kind.at(name), body: None, doing };
            // Somebody else may have made it a moment ago, so that it is asked for in any case.
            let known = kind.picture.get(name).map(|known| known.metadata.clone());
            let subject = known.unwrap_or_else(|| Metadata { name: name.to_owned(), ..Metadata::default() });
            self.write(plural, ask, subject, Awaited::Going).await.map(drop)
        })
    }

    fn changes(&self) -> broadcast::Receiver<RawEvent> {
        self.shared.changes.subscribe()
    }
}
