//! What may have changed of the things that jobs are told of: a thing itself, or what belongs to one.

use futures::stream::select;
use futures::{Stream, StreamExt};

use crate::resources::{Kind, Object};
use crate::store::{Store, WatchEvent};

pub(super) enum Touched<K: Kind> {
    Thing(WatchEvent<K>),
    /// Something that belongs to the thing of this name, or did.
    PartOf(String),
}

/// All things as they are, then each change of one, or of a part; `of` names the thing that a part belongs to.
pub(super) fn touched<K: Kind, Part: Kind>(
    store: &Store,
    of: fn(&Object<Part>) -> &str,
) -> impl Stream<Item = Touched<K>> + use<K, Part> {
    let things = store.watch::<K>().into_stream().map(Touched::Thing);
    let parts = store.watch::<Part>().into_stream();
    select(things, parts.map(move |event| Touched::PartOf(of(event.object()).to_owned())))
}
