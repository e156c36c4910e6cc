//! THE table: sorted, filtered and searched with the state in the address, columns by choice, rows selected for bulk
//! actions, a menu a row, and only those rows drawn that are in view, so that ten thousand scroll like ten.
//!
//! `column` and `item` are what it is told, as data; [`Grid`] knows no type of row, [`DataTable`] is it for things of the
//! API. The way of a row: `items` → `lines` (what is searched) → `listed` (filtered, sorted, or standing still) →
//! `window` (in view) → `row`.

mod cell;
mod column;
mod columns;
mod data_table;
mod grid;
mod item;
mod keys;
mod lines;
mod listed;
mod query;
mod row;
mod selection;
mod toolbar;
mod window;

pub(crate) use column::{Column, Filter, Kind, Value};
pub(crate) use data_table::DataTable;
pub(crate) use grid::{Grid, Plan};
pub(crate) use item::{Choice, Item, Shown};
pub(crate) use query::TableQuery;
