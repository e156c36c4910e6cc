//! What stands in the fields of a form.

use std::collections::BTreeMap;

use aurochs_api::size::ByteSize;
use leptos::prelude::*;
use serde_json::{Map, Value};

/// By the keys of the fields. Fields that are not shown (`when`) are not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values {
    pub(super) json: Map<String, Value>,
    pub(super) files: BTreeMap<String, StoredValue<web_sys::File, LocalStorage>>,
}

impl Values {
    /// All of them as one JSON object, as the API takes it when the keys are those of the API.
    pub(crate) fn json(&self) -> Value {
        Value::Object(self.json.clone())
    }

    pub(crate) fn at(&self, key: &str) -> Option<&Value> {
        self.json.get(key)
    }

    /// Text; empty when there is none.
    pub(crate) fn text(&self, key: &str) -> String {
        self.at(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(crate) fn bytes(&self, key: &str) -> ByteSize {
        ByteSize(self.at(key).and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or_default())
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.at(key).and_then(Value::as_bool).unwrap_or_default()
    }

    /// The words of a field of tags.
    pub(crate) fn tags(&self, key: &str) -> Vec<String> {
        let items = self.at(key).and_then(Value::as_array);
        let text = |item: &Value| item.as_str().map(str::to_owned);
        items.map(|items| items.iter().filter_map(text).collect()).unwrap_or_default()
    }

    /// The chosen file.
    pub(crate) fn file(&self, key: &str) -> Option<web_sys::File> {
        self.files.get(key).and_then(|file| file.try_get_value())
    }
}
