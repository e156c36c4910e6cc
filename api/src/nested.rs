//! Rows inside of resources that carry a resource's header all the same.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize};

use crate::describe::{Described, Wire};

/// A row of `backupStatus`, `restoreStatus`, `purgeStatus` and `rebuildStatus`, and the `volumeAttachment` of a volume:
/// Longhorn sends `"links": null, "actions": null` with them, and its clients go through both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Nested<T> {
    links: (),
    actions: (),
    #[serde(flatten)]
    pub data: T,
}

/// The header says nothing, so the row alone is read; a derived reader would keep all keys of each row in between.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nested<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

impl<T> From<T> for Nested<T> {
    fn from(data: T) -> Self {
        Self { links: (), actions: (), data }
    }
}

impl<T> Deref for Nested<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T> DerefMut for Nested<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

/// The header is not told, as it is not told of resources.
impl<T: Described> Described for Nested<T> {
    const WIRE: Wire = T::WIRE;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::RebuildStatus;

    #[test]
    fn the_header_is_there_and_null() {
        let row = Nested::from(RebuildStatus { replica: "r".to_owned(), progress: 7, ..RebuildStatus::default() });
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["replica"], "r");
        assert!(json.as_object().unwrap().get("links").is_some_and(serde_json::Value::is_null));
        assert!(json.as_object().unwrap().get("actions").is_some_and(serde_json::Value::is_null));
        assert!(json.get("id").is_none() && json.get("type").is_none());
        assert_eq!(serde_json::from_value::<Nested<RebuildStatus>>(json).unwrap(), row);
        let with_links = serde_json::json!({"links": {"self": "x"}, "replica": "r", "progress": 7});
        assert_eq!(serde_json::from_value::<Nested<RebuildStatus>>(with_links).unwrap(), row);
    }
}
