//! Rows with the text that is searched in them, made when somebody first searches and kept until the row changes.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::column::Value;
use super::item::{Item, Shown};

#[derive(Clone)]
pub(super) struct Line(Arc<Inner>);

struct Inner {
    item: Item,
    text: OnceLock<Box<str>>,
}

impl Line {
    fn new(item: Item) -> Self {
        Self(Arc::new(Inner { item, text: OnceLock::new() }))
    }

    pub(super) fn item(&self) -> &Item {
        &self.0.item
    }

    #[cfg(test)]
    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// All words of the row in small letters.
    pub(super) fn text(&self, columns: &[Shown]) -> &str {
        self.0.text.get_or_init(|| {
            let mut text = self.0.item.id.to_lowercase();
            for column in columns {
                if let Value::Text(words) | Value::State(_, words) = (column.value)(&self.0.item) {
                    text.push('\n');
                    text.push_str(&words.to_lowercase());
                }
            }
            text.into_boxed_str()
        })
    }
}

/// Lines for these items; those that did not change stay.
pub(super) fn lines(before: &[Line], items: &[Item]) -> Vec<Line> {
    let mut known: Option<HashMap<&str, &Line>> = None;
    let mut line = |(index, item): (usize, &Item)| {
        // Most often the same rows stand in the same order.
        if let Some(same) = before.get(index).filter(|line| line.item() == item) {
            return same.clone();
        }
        let known = known.get_or_insert_with(|| before.iter().map(|line| (&*line.item().id, line)).collect());
        let same = known.get(&*item.id).filter(|line| line.item() == item);
        same.map_or_else(|| Line::new(item.clone()), |line| (*line).clone())
    };
    items.iter().enumerate().map(&mut line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::column::Kind;
    use super::*;

    #[test]
    fn unchanged_rows_keep_their_text() {
        let item = |id: &str| Item::new(id, Arc::new(id.to_owned()));
        let column = Shown::of::<String>("n", "N", Kind::Text, |name| Value::text(format!("On {name}")));
        let (a, b) = (item("A"), item("B"));
        let first = lines(&[], &[a.clone(), b.clone()]);
        assert_eq!(first[0].text(&[column]), "a\non a");
        let second = lines(&first, &[item("C"), a, item("B")]);
        assert!(second[1].is_same(&first[0]) && !second[2].is_same(&first[1]), "another B is a new line");
        assert_eq!(&*second[0].item().id, "C");
    }
}
