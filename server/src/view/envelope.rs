//! The header around every resource: type, id, links, actions (`api.md` §2).

use std::collections::BTreeMap;

use aurochs_api::action::Acted;
pub use aurochs_api::schema::plural;
use aurochs_api::schema::{Collection, Resource};

use crate::web::request_url::RequestUrl;

/// Base of all links, `<scheme>://<host>[/prefix]`, and the way a thing's own address is made of it.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a> {
    base: &'a str,
}

impl<'a> Links<'a> {
    /// `base` without a slash at the end; empty for addresses that start with the path.
    #[must_use]
    pub const fn new(base: &'a str) -> Self {
        Self { base }
    }

    #[must_use]
    pub fn of(url: &'a RequestUrl) -> Self {
        Self::new(url.base())
    }

    /// Address of the collection of a type.
    #[must_use]
    pub fn collection(self, kind: &str) -> String {
        format!("{}/v1/{}", self.base, plural(kind))
    }

    /// Address of one thing.
    #[must_use]
    pub fn item(self, kind: &str, id: &str) -> String {
        format!("{}/{id}", self.collection(kind))
    }

    /// A thing of a type that describes itself, with what can be done with it now.
    #[must_use]
    pub fn thing<T: Acted>(self, id: &str, data: T) -> Resource<T> {
        let offered: Vec<&str> =
            T::ACTIONS.iter().filter(|action| (action.offered)(&data)).map(|action| action.name).collect();
        self.resource(T::shape().id, id, &offered, data)
    }

    /// A resource with its header; `actions` are the offered ones.
    #[must_use]
    pub fn resource<T>(self, kind: &str, id: &str, actions: &[&str], data: T) -> Resource<T> {
        let own = self.item(kind, id);
        let actions = actions.iter().map(|action| ((*action).to_owned(), format!("{own}?action={action}"))).collect();
        Resource { id: id.to_owned(), kind: kind.to_owned(), links: [("self".to_owned(), own)].into(), actions, data }
    }
}

/// The answer of a list. Its own address is the request's.
#[must_use]
pub fn collection<T>(kind: &str, url: &RequestUrl, data: Vec<T>) -> Collection<T> {
    Collection {
        kind: "collection".to_owned(),
        resource_type: kind.to_owned(),
        links: [("self".to_owned(), url.current())].into(),
        create_types: None,
        pagination: None,
        data,
    }
}

/// A thing that there is only one of, at the request's own address.
#[must_use]
pub fn singleton<T>(kind: &str, url: &RequestUrl, data: T) -> Resource<T> {
    let links = [("self".to_owned(), url.current())].into();
    Resource { id: String::new(), kind: kind.to_owned(), links, actions: BTreeMap::new(), data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_an_object_even_when_empty() {
        let resource = Links::new("http://a").resource("setting", "x", &[], ());
        let json = serde_json::to_value(&resource).unwrap();
        assert_eq!(json["actions"], serde_json::json!({}));
        assert_eq!(json["links"]["self"], "http://a/v1/settings/x");
        let resource = Links::new("").resource("volume", "v", &["attach"], ());
        assert_eq!(resource.actions["attach"], "/v1/volumes/v?action=attach");
    }
}
