//! What stands in a cell.

use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use super::column::{Kind, Value};
use super::item::{Item, Shown};
use crate::components::badge::Badge;
use crate::components::when::When;

pub(super) fn cell(column: &Shown, item: &Item) -> AnyView {
    match &column.view {
        Some(view) => view(item),
        None => plain((column.value)(item)),
    }
}

/// A value as it is shown everywhere.
pub(super) fn plain(value: Value) -> AnyView {
    match value {
        Value::Text(text) if text.is_empty() => "–".into_any(),
        Value::Text(text) => text.into_any(),
        Value::Number(number) => number.to_string().into_any(),
        Value::Bytes(bytes) => ByteSize(bytes).to_string().into_any(),
        Value::Time(text) => view! { <When text=Signal::stored(text) /> }.into_any(),
        Value::State(mark, text) => view! { <Badge mark=Signal::stored(mark) text=Signal::stored(text) /> }.into_any(),
        Value::None => "–".into_any(),
    }
}

/// Class of the style sheet for the cells of a kind.
pub(super) fn class(kind: Kind, is_first: bool) -> &'static str {
    match kind {
        _ if is_first => "main",
        Kind::Number | Kind::Bytes => "num",
        Kind::Time => "dim",
        Kind::State => "state",
        Kind::Text | Kind::Wide | Kind::Long | Kind::Custom => "",
    }
}
