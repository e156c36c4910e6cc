//! What stands in the fields while somebody types.

use leptos::prelude::*;
use serde_json::Value;

use super::field::{Field, Shape};
use super::read::{read, shown};
use super::values::Values;
use crate::words::tr;

/// One field with what stands in it.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) field: StoredValue<Field>,
    pub(super) text: RwSignal<String>,
    pub(super) unit: RwSignal<String>,
    pub(super) on: RwSignal<bool>,
    pub(super) file: StoredValue<Option<web_sys::File>, LocalStorage>,
    pub(super) file_name: RwSignal<String>,
    /// Somebody was in it: what is wrong is said from then on.
    pub(super) touched: RwSignal<bool>,
}

/// A form.
#[derive(Clone, Copy)]
pub(crate) struct Typed {
    pub(super) cells: StoredValue<Vec<Cell>>,
    values: Memo<Values>,
}

impl Cell {
    fn new(field: Field) -> Self {
        let (text, unit) = shown(&field.shape, &field.value);
        Self {
            text: RwSignal::new(text),
            unit: RwSignal::new(unit.to_owned()),
            on: RwSignal::new(field.value.as_bool().unwrap_or_default()),
            file: StoredValue::new_local(None),
            file_name: RwSignal::new(String::new()),
            touched: RwSignal::new(false),
            field: StoredValue::new(field),
        }
    }

    fn read(self) -> Result<Value, String> {
        self.field.with_value(|field| match field.shape {
            Shape::Toggle => Ok(self.on.get().into()),
            _ => self.text.with(|text| self.unit.with(|unit| read(&field.shape, text, unit))),
        })
    }

    /// What is wrong with it, among the others.
    pub(super) fn error(self, values: &Values) -> Option<String> {
        let (required, check, shape) =
            self.field.with_value(|field| (field.required, field.check, field.shape.clone()));
        let value = match self.read() {
            Ok(value) => value,
            Err(error) => return Some(error),
        };
        let is_empty = match &value {
            _ if shape == Shape::File => self.file_name.with(String::is_empty),
            Value::Null => !matches!(shape, Shape::Heading),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(pairs) => pairs.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if is_empty {
            return required.then(|| tr("This is needed.").to_owned());
        }
        let text = match &value {
            Value::String(text) => text.clone(),
            _ => self.text.get(),
        };
        check.and_then(|check| check(&text, values).err())
    }
}

impl Typed {
    pub(crate) fn new(fields: Vec<Field>) -> Self {
        let cells = StoredValue::new(fields.into_iter().map(Cell::new).collect::<Vec<_>>());
        Self { cells, values: Memo::new(move |_| cells.with_value(|cells| values_of(cells))) }
    }

    /// What the fields say now. What can't be read is left out.
    pub(crate) fn values(self) -> Values {
        self.values.get()
    }

    /// Whether nothing is wrong in any field that is shown.
    pub(crate) fn is_right(self) -> bool {
        self.values.with(|values| {
            self.cells
                .with_value(|cells| cells.iter().all(|cell| !self.is_shown(*cell) || cell.error(values).is_none()))
        })
    }

    pub(super) fn is_shown(self, cell: Cell) -> bool {
        let when = cell.field.with_value(|field| field.when);
        when.is_none_or(|when| self.values.with(when))
    }
}

/// Conditions see the values of all fields; afterwards those go whose condition fails.
fn values_of(cells: &[Cell]) -> Values {
    let mut values = Values::default();
    for cell in cells {
        let key = cell.field.with_value(|field| field.key);
        if key.is_empty() {
            continue;
        }
        cell.file_name.track();
        if let Some(file) = cell.file.get_value() {
            values.files.insert(key.to_owned(), StoredValue::new_local(file));
        } else if let Ok(value) = cell.read() {
            values.json.insert(key.to_owned(), value);
        }
    }
    let all = values.clone();
    for cell in cells {
        let (key, when) = cell.field.with_value(|field| (field.key, field.when));
        // Of two fields with one key the one that is shown counts.
        if when.is_some_and(|when| !when(&all)) {
            values.json.remove(key);
            values.files.remove(key);
        }
    }
    for cell in cells {
        let (key, when) = cell.field.with_value(|field| (field.key, field.when));
        if !key.is_empty()
            && !values.json.contains_key(key)
            && when.is_some_and(|when| when(&all))
            && let Ok(value) = cell.read()
        {
            values.json.insert(key.to_owned(), value);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hidden_fields_are_not_counted_and_wrong_ones_hold_it_up() {
        Owner::new().with(|| {
            let is_remote = |values: &Values| values.text("kind") == "s3";
            let kinds = vec![("nfs".to_owned(), "NFS".to_owned()), ("s3".to_owned(), "S3".to_owned())];
            let form = Typed::new(vec![
                Field::select("kind", "Kind", kinds),
                Field::text("secret", "Secret").required().when(is_remote),
                Field::number("poll", "Poll", 0, 10).value(300),
            ]);
            let cell = |index: usize| form.cells.with_value(|cells| cells[index]);
            assert!(!form.is_right(), "300 is too much");
            cell(2).text.set("5".to_owned());
            assert!(form.is_right());
            assert_eq!(form.values().json(), json!({"kind": "nfs", "poll": 5}));
            cell(0).text.set("s3".to_owned());
            assert!(!form.is_right(), "the secret is needed now");
            cell(1).text.set("s".to_owned());
            assert!(form.is_right());
            assert_eq!(form.values().text("secret"), "s");
        });
    }
}
