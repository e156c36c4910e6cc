//! THE table.

mod column;
mod data_table;

pub(crate) use column::{Column, Filter, Kind, Value};
pub(crate) use data_table::DataTable;
