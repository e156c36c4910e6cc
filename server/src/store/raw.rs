//! What a keeper of resources implements: untyped, so that it can stand behind a `dyn`.

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::broadcast;

use super::RawError;
use crate::resources::Metadata;

/// A resource whose spec and status nobody has looked into.
#[derive(Clone, Debug, PartialEq)]
pub struct RawObject {
    pub metadata: Metadata,
    pub spec: Value,
    pub status: Value,
}

impl RawObject {
    /// The version as a number, 0 when it has none.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.metadata.resource_version.parse().unwrap_or(0)
    }
}

/// A list, and the announcement up to which it is true.
#[derive(Clone, Debug)]
pub struct RawList {
    pub items: Vec<RawObject>,
    /// That of the last [`RawEvent`] of the kind that is in it, or a later one.
    pub version: u64,
}

/// One change, in the order in which the keeper made it.
#[derive(Clone, Debug)]
pub struct RawEvent {
    pub plural: &'static str,
    /// Grows with every change of the kind. Not the object's version: how a keeper counts is its own affair.
    pub version: u64,
    pub deleted: bool,
    /// As it is, or as it last was.
    pub object: std::sync::Arc<RawObject>,
}

/// A keeper.
///
/// `update` writes metadata and spec and leaves the status; `update_status` the other way round. Both answer
/// `Conflict` when the object's version is not the stored one, and write nothing when nothing would change.
/// A change is announced to [`RawStore::changes`] before its writer gets the answer, in the order of versions.
pub trait RawStore: Send + Sync {
    fn get<'a>(&'a self, plural: &'static str, name: &'a str) -> BoxFuture<'a, Result<RawObject, RawError>>;

    fn list<'a>(
        &'a self,
        plural: &'static str,
        label: Option<(&'a str, &'a str)>,
    ) -> BoxFuture<'a, Result<RawList, RawError>>;

    fn create(&self, plural: &'static str, object: RawObject) -> BoxFuture<'_, Result<RawObject, RawError>>;

    fn update(&self, plural: &'static str, object: RawObject) -> BoxFuture<'_, Result<RawObject, RawError>>;

    fn update_status(&self, plural: &'static str, object: RawObject) -> BoxFuture<'_, Result<RawObject, RawError>>;

    fn delete<'a>(&'a self, plural: &'static str, name: &'a str) -> BoxFuture<'a, Result<(), RawError>>;

    /// Changes of all kinds from now on. A receiver that lags lists again.
    fn changes(&self) -> broadcast::Receiver<RawEvent>;
}
