//! Rows, columns and filters without the type of what they show.

use std::any::Any;
use std::sync::Arc;

use leptos::prelude::*;

use super::column::{Column, Filter, Kind, Value};
use crate::live::Thing;

/// What a row shows.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) id: Arc<str>,
    of: Arc<dyn Any + Send + Sync>,
}

impl Item {
    pub(crate) fn new<T: Send + Sync + 'static>(id: &str, of: Arc<T>) -> Self {
        Self { id: id.into(), of }
    }

    /// Whether it shows this very one.
    pub(crate) fn shows<T>(&self, of: &Arc<T>) -> bool {
        Arc::as_ptr(&self.of).cast::<()>() == Arc::as_ptr(of).cast::<()>()
    }

    /// What it shows; none for a column that was made for another type.
    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.of.downcast_ref()
    }
}

/// The same thing, not one like it.
impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.of, &other.of) && self.id == other.id
    }
}

type Read = Arc<dyn Fn(&Item) -> Value + Send + Sync>;
type Draw = Arc<dyn Fn(&Item) -> AnyView + Send + Sync>;
type Offer = Arc<dyn Fn(&[Item]) -> Vec<(String, String)> + Send + Sync>;
type Match = Arc<dyn Fn(&Item, &str) -> bool + Send + Sync>;

/// A column of the grid.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) hidden: bool,
    pub(crate) value: Read,
    pub(crate) view: Option<Draw>,
}

impl Shown {
    /// A column of rows that show a `T`.
    pub(crate) fn of<T: 'static>(key: &'static str, label: &'static str, kind: Kind, value: fn(&T) -> Value) -> Self {
        let value: Read = Arc::new(move |item| item.get::<T>().map_or(Value::None, value));
        Self { key, label, kind, hidden: false, value, view: None }
    }

    /// Draws its cells in a way of its own.
    pub(crate) fn drawn<T: 'static>(mut self, view: fn(&T) -> AnyView) -> Self {
        self.view = Some(Arc::new(move |item| item.get::<T>().map_or_else(|| ().into_any(), view)));
        self
    }

    /// Not shown before somebody chooses it.
    pub(crate) fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
}

impl From<Column> for Shown {
    fn from(column: Column) -> Self {
        let Column { key, label, kind, hidden, value, view } = column;
        let shown = Self { hidden, ..Self::of(key, label, kind, value) };
        match view {
            Some(view) => shown.drawn(view),
            None => shown,
        }
    }
}

/// One choice among the rows.
#[derive(Clone)]
pub(crate) struct Choice {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    /// Nothing to choose from is a field for text.
    pub(crate) choices: Offer,
    pub(crate) matches: Match,
    /// It is chosen elsewhere than in the table's own fields.
    pub(crate) outside: bool,
}

impl Choice {
    /// Among rows that show a `T`.
    pub(crate) fn of<T: 'static>(
        key: &'static str,
        label: &'static str,
        choices: fn() -> Vec<(String, String)>,
        matches: fn(&T, &str) -> bool,
    ) -> Self {
        let matches: Match = Arc::new(move |item, word| item.get::<T>().is_some_and(|of| matches(of, word)));
        Self { key, label, choices: Arc::new(move |_| choices()), matches, outside: false }
    }

    /// Chosen elsewhere than in the table's own fields.
    pub(crate) fn outside(mut self) -> Self {
        self.outside = true;
        self
    }
}

impl From<Filter> for Choice {
    fn from(filter: Filter) -> Self {
        let Filter { key, label, choices, matches } = filter;
        let offer: Offer = Arc::new(move |items| {
            let things: Vec<Thing> = items.iter().filter_map(|item| item.get::<Thing>().cloned()).collect();
            choices(&things)
        });
        let matches: Match = Arc::new(move |item, word| item.get::<Thing>().is_some_and(|thing| matches(thing, word)));
        Self { key, label, choices: offer, matches, outside: false }
    }
}
