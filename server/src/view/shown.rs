//! Kinds that clients see as they are: one object of the store is one thing of the API.

use aurochs_api::action::Acted;
use aurochs_api::schema::Resource;
use serde::Serialize;

use super::envelope::Links;
use crate::resources::{Kind, Object};

/// A kind with its form in the API.
pub trait Shown: Kind {
    type View: Acted + Serialize + Send;

    fn view(object: &Object<Self>) -> Self::View;
}

/// The thing with its header.
#[must_use]
pub fn resource<K: Shown>(object: &Object<K>, links: Links<'_>) -> Resource<K::View> {
    links.thing(object.name(), K::view(object))
}
