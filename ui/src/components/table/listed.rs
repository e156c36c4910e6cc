//! Which rows stand in the list, and in which order: filtered and sorted, or standing still while somebody chooses.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use super::column::Value;
use super::item::{Choice, Shown};
use super::lines::Line;
use super::query::Query;
use crate::model::filter::natural;
use crate::model::time;
use crate::words::Mark;

#[derive(Clone, Default)]
pub(super) struct Listed {
    pub(super) lines: Arc<Vec<Line>>,
    /// Rows that would be in the list, and wait until nobody chooses.
    pub(super) waiting: usize,
    query: Query,
    admitted: u64,
}

/// What the list is made of.
pub(super) struct Wanted<'a> {
    pub(super) lines: &'a [Line],
    pub(super) columns: &'a [Shown],
    pub(super) filters: &'a [Choice],
    pub(super) query: &'a Query,
    /// The order while none is chosen.
    pub(super) order: Option<(&'static str, bool)>,
    /// Rows are selected.
    pub(super) stands: bool,
    /// Raised when somebody asks for the rows that wait.
    pub(super) admitted: u64,
}

impl Listed {
    pub(super) fn next(before: Option<&Self>, wanted: &Wanted) -> Self {
        let chosen = wanted.choose();
        let (query, admitted) = (wanted.query.clone(), wanted.admitted);
        if let Some(before) =
            before.filter(|before| wanted.stands && before.query == query && before.admitted == admitted)
        {
            let mut now: HashMap<&str, &Line> = wanted.lines.iter().map(|line| (&*line.item().id, line)).collect();
            // What was there stays in its place, also when it does not match any more; what is gone goes.
            let lines: Vec<Line> =
                before.lines.iter().filter_map(|line| now.remove(&*line.item().id).cloned()).collect();
            let waiting = chosen.iter().filter(|line| now.contains_key(&*line.item().id)).count();
            return Self { lines: Arc::new(lines), waiting, query, admitted };
        }
        Self { lines: Arc::new(chosen), waiting: 0, query, admitted }
    }
}

impl Wanted<'_> {
    fn choose(&self) -> Vec<Line> {
        let words: Vec<String> = self.query.text.split_whitespace().map(str::to_lowercase).collect();
        let filters: Vec<(&Choice, &str)> = self
            .filters
            .iter()
            .filter_map(|filter| Some((filter, self.query.filters.get(filter.key)?.as_str())))
            .collect();
        let stays = |line: &&Line| {
            filters.iter().all(|(filter, word)| (filter.matches)(line.item(), word))
                && (words.is_empty() || {
                    let text = line.text(self.columns);
                    words.iter().all(|word| text.contains(word.as_str()))
                })
        };
        let chosen: Vec<Line> = self.lines.iter().filter(stays).cloned().collect();
        let order = self.query.order.as_ref().map(|(key, descending)| (key.as_str(), *descending)).or(self.order);
        let column = order.and_then(|(key, _)| self.columns.iter().find(|column| column.key == key));
        match column {
            Some(column) => sorted(chosen, column, order.is_some_and(|(_, descending)| descending)),
            None => chosen,
        }
    }
}

/// Equal rows stay in the order they came in, and those without a value come last either way.
fn sorted(lines: Vec<Line>, column: &Shown, descending: bool) -> Vec<Line> {
    let mut keyed: Vec<(Key, Line)> =
        lines.into_iter().map(|line| (Key::of((column.value)(line.item())), line)).collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Key::None, _) | (_, Key::None) => a.order(b),
        _ if descending => b.order(a),
        _ => a.order(b),
    });
    keyed.into_iter().map(|(_, line)| line).collect()
}

/// A value as it sorts.
enum Key {
    Text(String),
    Number(f64),
    /// What needs somebody first.
    State(u8, String),
    None,
}

impl Key {
    fn of(value: Value) -> Self {
        match value {
            Value::Text(text) if text.is_empty() => Self::None,
            Value::Text(text) => Self::Text(text),
            Value::Number(number) => Self::Number(number),
            #[expect(clippy::cast_precision_loss, reason = "sizes that differ only beyond 2^53 may stand in any order")]
            Value::Bytes(bytes) => Self::Number(bytes as f64),
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
            Value::Time(text) => time::parse(&text).map_or(Self::None, |seconds| Self::Number(seconds as f64)),
            Value::State(mark, text) => Self::State(rank(mark), text),
            Value::None => Self::None,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => natural(a, b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::State(a, a_text), Self::State(b, b_text)) => a.cmp(b).then_with(|| a_text.cmp(b_text)),
            _ => self.place().cmp(&other.place()),
        }
    }

    fn place(&self) -> u8 {
        match self {
            Self::State(..) => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
            Self::None => 3,
        }
    }
}

fn rank(mark: Mark) -> u8 {
    match mark {
        Mark::Faulted => 0,
        Mark::Degraded => 1,
        Mark::Progress => 2,
        Mark::Healthy => 3,
        Mark::Idle => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::Kind;
    use super::super::item::Item;
    use super::super::lines::lines;
    use super::*;

    fn columns() -> Vec<Shown> {
        vec![
            Shown::of::<(String, u64)>("name", "Name", Kind::Text, |(name, _)| Value::text(name.as_str())),
            Shown::of::<(String, u64)>("size", "Size", Kind::Bytes, |(_, size)| {
                if *size == 0 { Value::None } else { Value::Bytes(*size) }
            }),
        ]
    }

    fn rows(rows: &[(&str, u64)]) -> Vec<Line> {
        let item = |(name, size): &(&str, u64)| Item::new(name, Arc::new(((*name).to_owned(), *size)));
        lines(&[], &rows.iter().map(item).collect::<Vec<_>>())
    }

    fn names(listed: &Listed) -> Vec<&str> {
        listed.lines.iter().map(|line| &*line.item().id).collect()
    }

    fn next(before: Option<&Listed>, lines: &[Line], query: &Query, stands: bool, admitted: u64) -> Listed {
        let filter = Choice::of::<(String, u64)>("big", "Big", Vec::new, |(_, size), _| *size > 5);
        let wanted = Wanted {
            lines,
            columns: &columns(),
            filters: &[filter],
            query,
            order: Some(("name", false)),
            stands,
            admitted,
        };
        Listed::next(before, &wanted)
    }

    #[test]
    fn sorted_searched_and_filtered() {
        let lines = rows(&[("d-10", 9), ("d-2", 0), ("c-1", 3)]);
        let mut query = Query::default();
        assert_eq!(names(&next(None, &lines, &query, false, 0)), ["c-1", "d-2", "d-10"], "by its own order");
        query.order = Some(("size".to_owned(), false));
        assert_eq!(names(&next(None, &lines, &query, false, 0)), ["c-1", "d-10", "d-2"]);
        query.order = Some(("size".to_owned(), true));
        assert_eq!(names(&next(None, &lines, &query, false, 0)), ["d-10", "c-1", "d-2"], "nothing is last either way");
        query.text = " D- ".to_owned();
        assert_eq!(names(&next(None, &lines, &query, false, 0)), ["d-10", "d-2"]);
        query.filters.insert("big", "yes".to_owned());
        assert_eq!(names(&next(None, &lines, &query, false, 0)), ["d-10"]);
    }

    #[test]
    fn it_stands_still_while_somebody_selects() {
        let query = Query::default();
        let first = next(None, &rows(&[("a", 1), ("c", 1)]), &query, false, 0);
        let changed = rows(&[("b", 1), ("c", 2), ("d", 3)]);
        let standing = next(Some(&first), &changed, &query, true, 0);
        assert_eq!((names(&standing), standing.waiting), (vec!["c"], 2), "a is gone, b and d wait");
        let admitted = next(Some(&standing), &changed, &query, true, 1);
        assert_eq!((names(&admitted), admitted.waiting), (vec!["b", "c", "d"], 0));
        let searched = Query { text: "d".to_owned(), ..Query::default() };
        assert_eq!(
            names(&next(Some(&standing), &changed, &searched, true, 0)),
            ["d"],
            "who searches wants another list"
        );
    }
}
