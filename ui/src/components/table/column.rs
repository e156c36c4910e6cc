//! What a table shows of a thing, as data.

use leptos::prelude::*;

use crate::live::Thing;
use crate::words::Mark;

/// How a column is aligned and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A few words.
    Wide,
    /// A sentence: needs room.
    Long,
    Number,
    Bytes,
    /// A time of the API, shown as how long ago it was.
    Time,
    State,
    /// Drawn by the column's `view`.
    Custom,
}

/// What stands in a cell: sorts, is searched, and is shown where the column has no `view`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
    Bytes(u64),
    /// As the API writes times.
    Time(String),
    State(Mark, String),
    None,
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Column {
    /// Stands in the address, and in what the browser keeps.
    pub(crate) key: &'static str,
    /// English; the table translates it.
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    /// Not shown before somebody chooses it.
    pub(crate) hidden: bool,
    pub(crate) value: fn(&Thing) -> Value,
    pub(crate) view: Option<fn(&Thing) -> AnyView>,
}

/// One choice among the rows, kept in the address under `key`.
#[derive(Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) key: &'static str,
    /// English; the table translates it.
    pub(crate) label: &'static str,
    /// What can be chosen: the word in the address, and what is shown (already translated).
    pub(crate) choices: fn(&[Thing]) -> Vec<(String, String)>,
    pub(crate) matches: fn(&Thing, &str) -> bool,
}
