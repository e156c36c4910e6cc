//! Things of the `api` crate at the addresses that their types give, each with the JSON that it was read from.

use std::io;

use aurochs_api::action::{Acted, Action};
use aurochs_api::describe::Shaped;
use aurochs_api::schema::{Resource, plural};
use bytes::Bytes;
use reqwest::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;

use super::failure::{Failure, Kind};
use super::http::{Http, segment};
use super::upload::Pieces;

/// A thing, and the very object that the API sent.
#[derive(Clone, Debug)]
pub(super) struct Seen<T> {
    pub(super) raw: Value,
    pub(super) thing: Resource<T>,
}

/// Typed access to one server.
pub(super) struct Api {
    http: Http,
}

/// Address of a collection.
fn collection<T: Shaped>() -> String {
    format!("/v1/{}", plural(T::ID))
}

fn item<T: Shaped>(name: &str) -> String {
    format!("{}/{}", collection::<T>(), segment(name))
}

impl Api {
    pub(super) const fn new(http: Http) -> Self {
        Self { http }
    }

    pub(super) async fn list<T: Shaped + DeserializeOwned>(&self) -> Result<Vec<Seen<T>>, Failure> {
        self.list_where("").await
    }

    /// `query` begins with its question mark, or is empty.
    pub(super) async fn list_where<T>(&self, query: &str) -> Result<Vec<Seen<T>>, Failure>
    where
        T: Shaped + DeserializeOwned,
    {
        let list = self.http.call(Method::GET, &format!("{}{query}", collection::<T>()), None).await?;
        all_of(list)
    }

    pub(super) async fn get<T: Shaped + DeserializeOwned>(&self, name: &str) -> Result<Seen<T>, Failure> {
        seen(self.http.call(Method::GET, &item::<T>(name), None).await?)
    }

    /// None where there is no such thing.
    pub(super) async fn find<T: Shaped + DeserializeOwned>(&self, name: &str) -> Result<Option<Seen<T>>, Failure> {
        match self.get(name).await {
            Err(failure) if failure.kind == Kind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    pub(super) async fn create<T>(&self, input: &impl Serialize) -> Result<Seen<T>, Failure>
    where
        T: Shaped + DeserializeOwned,
    {
        seen(self.http.call(Method::POST, &collection::<T>(), Some(&body(input)?)).await?)
    }

    pub(super) async fn update<T>(&self, name: &str, input: &impl Serialize) -> Result<Seen<T>, Failure>
    where
        T: Shaped + DeserializeOwned,
    {
        seen(self.http.call(Method::PUT, &item::<T>(name), Some(&body(input)?)).await?)
    }

    pub(super) async fn delete<T: Shaped>(&self, name: &str) -> Result<(), Failure> {
        self.http.call(Method::DELETE, &item::<T>(name), None).await.map(drop)
    }

    /// Does something with a thing; what comes back is the action's own affair.
    pub(super) async fn act<A>(&self, name: &str, input: &A::Input) -> Result<Value, Failure>
    where
        A: Action,
        A::On: Acted,
        A::Input: Serialize,
    {
        let path = format!("{}?action={}", item::<A::On>(name), A::OFFER.name);
        self.http.call(Method::POST, &path, Some(&body(input)?)).await
    }

    /// Any address.
    pub(super) async fn raw(&self, method: Method, path: &str, input: Option<&Value>) -> Result<Value, Failure> {
        self.http.call(method, path, input).await
    }

    /// Any address, as text.
    pub(super) async fn text(&self, method: Method, path: &str, input: Option<&Value>) -> Result<String, Failure> {
        self.http.text(method, path, input).await
    }

    /// Sends a file of this size to any address.
    pub(super) async fn upload(
        &self,
        path: &str,
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        size: u64,
    ) -> Result<(), Failure> {
        self.http.upload(path, Pieces::new(pieces, size)).await
    }

    pub(super) async fn download(&self, path: &str) -> Result<Response, Failure> {
        self.http.download(path).await
    }
}

fn body(input: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(input).map_err(|error| Failure::usage(format!("this can't be sent: {error}"), ""))
}

/// What was sent, read as a thing.
pub(super) fn seen<T: DeserializeOwned>(raw: Value) -> Result<Seen<T>, Failure> {
    let thing = serde_json::from_value(raw.clone()).map_err(|error| {
        let message = format!("the manager's answer can't be read: {error}");
        Failure::refused(message, "Is the manager of another version? `aurochs api` shows what it says.")
    })?;
    Ok(Seen { raw, thing })
}

/// What was sent, read as a collection of things.
pub(super) fn all_of<T: DeserializeOwned>(mut list: Value) -> Result<Vec<Seen<T>>, Failure> {
    let Some(Value::Array(items)) = list.get_mut("data").map(Value::take) else {
        return Err(Failure::refused("the manager's answer is no list", "Is the manager of another version?"));
    };
    items.into_iter().map(seen).collect()
}
