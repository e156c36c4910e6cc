//! Tables for people: aligned, coloured and cut to the terminal where there is one, and never cut in a pipe.

use std::fmt::Write;

/// Between columns.
const GAP: &str = "  ";
/// What a column is not cut below.
const WIDTH_MINIMUM: usize = 10;

/// A column's head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    is_number: bool,
    /// Only shown when everything is asked for.
    is_wide: bool,
}

impl Column {
    pub(super) const fn text(title: &'static str) -> Self {
        Self { title, is_number: false, is_wide: false }
    }

    /// Numbers stand at the right.
    pub(super) const fn number(title: &'static str) -> Self {
        Self { title, is_number: true, is_wide: false }
    }

    pub(super) const fn wide(self) -> Self {
        Self { is_wide: true, ..self }
    }
}

/// What a word means for the one who reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    Warning,
    Bad,
    Dim,
}

impl Tone {
    /// The sequence that switches a terminal to it.
    pub(super) const fn sequence(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("\u{1b}[32m"),
            Self::Warning => Some("\u{1b}[33m"),
            Self::Bad => Some("\u{1b}[31m"),
            Self::Dim => Some("\u{1b}[2m"),
        }
    }
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// How a table is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    pub(super) is_wide: bool,
    pub(super) has_colour: bool,
    /// Characters in a line of the terminal; none when there is no terminal.
    pub(super) width: Option<usize>,
}

/// The lines of a table, each with its end.
pub(super) fn render(columns: &[Column], rows: Vec<Vec<Cell>>, look: Look) -> String {
    let shown: Vec<usize> = (0..columns.len())
        .filter(|at| look.is_wide || !columns.get(*at).is_some_and(|column| column.is_wide))
        .collect();
    let heads: Vec<&Column> = shown.iter().filter_map(|at| columns.get(*at)).collect();
    let rows: Vec<Vec<Cell>> = rows.into_iter().map(|row| row_of(row, &shown)).collect();
    let widths = widths(&heads, &rows, look.width.filter(|_| !look.is_wide));
    let mut text = String::new();
    let titles = heads.iter().map(|column| Cell::new(column.title, Tone::Dim)).collect();
    for row in std::iter::once(titles).chain(rows) {
        line(&mut text, &row, &heads, &widths, look.has_colour);
    }
    text
}

fn row_of(row: Vec<Cell>, shown: &[usize]) -> Vec<Cell> {
    let printable = |(_, cell): (usize, Cell)| Cell { text: cell_text(&cell.text), ..cell };
    row.into_iter().enumerate().filter(|(at, _)| shown.contains(at)).map(printable).collect()
}

/// Nothing is a dash, so that columns can be counted, by people and by `awk`.
fn cell_text(text: &str) -> String {
    let text = printable(text);
    if text.is_empty() { "-".to_owned() } else { text }
}

/// As wide as the widest cell; the last column is cut where the terminal ends.
fn widths(heads: &[&Column], rows: &[Vec<Cell>], limit: Option<usize>) -> Vec<usize> {
    let widest = |at: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.chars().count());
        cells.chain([title.chars().count()]).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = heads.iter().enumerate().map(|(at, column)| widest(at, column.title)).collect();
    let total: usize = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
    if let (Some(limit), Some(last)) = (limit, widths.last_mut())
        && total > limit
    {
        *last = last.saturating_sub(total - limit).max(WIDTH_MINIMUM.min(*last));
    }
    widths
}

fn line(text: &mut String, row: &[Cell], heads: &[&Column], widths: &[usize], has_colour: bool) {
    let mut cells = row.iter().zip(heads).zip(widths).peekable();
    while let Some(((cell, column), width)) = cells.next() {
        let is_last = cells.peek().is_none();
        let shown = cut(&cell.text, *width);
        let padding = " ".repeat(width.saturating_sub(shown.chars().count()));
        let shown = match cell.tone.sequence().filter(|_| has_colour) {
            Some(sequence) => format!("{sequence}{shown}\u{1b}[0m"),
            None => shown,
        };
        let result = match (column.is_number, is_last) {
            (true, _) => write!(text, "{padding}{shown}"),
            // Nothing stands behind the last cell, not even spaces.
            (false, true) => write!(text, "{shown}"),
            (false, false) => write!(text, "{shown}{padding}"),
        };
        // Writing to a text can't fail.
        debug_assert!(result.is_ok());
        text.push_str(if is_last { "\n" } else { GAP });
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Without what would move the cursor of a terminal, or speak to it: names and messages can come from anybody.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] =
        [Column::text("NAME"), Column::number("SIZE"), Column::text("IMAGE").wide(), Column::text("CAUSE")];

    fn rows() -> Vec<Vec<Cell>> {
        let row = |texts: [&str; 4]| texts.map(Cell::from).to_vec();
        vec![row(["a", "1 GiB", "x", "two replicas are missing"]), row(["long-name", "100 GiB", "y", ""])]
    }

    #[test]
    fn columns_are_aligned_and_a_pipe_gets_all_of_it() {
        let text = render(&COLUMNS, rows(), Look::default());
        let wanted = "NAME          SIZE  CAUSE\n\
                      a            1 GiB  two replicas are missing\n\
                      long-name  100 GiB  -\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_terminal_gets_as_much_as_it_can_show_and_everything_when_it_asks() {
        let look = Look { width: Some(36), ..Look::default() };
        let text = render(&COLUMNS, rows(), look);
        assert!(text.contains("a            1 GiB  two replicas ar…\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 36), "{text}");
        let text = render(&COLUMNS, rows(), Look { is_wide: true, ..look });
        assert!(text.contains("IMAGE") && text.contains("two replicas are missing"), "{text}");
    }

    #[test]
    fn colours_don_t_move_columns_and_names_don_t_speak_to_the_terminal() {
        let row = vec![Cell::new("a\u{1b}[2J", Tone::Bad), "1".into(), "".into(), "b".into()];
        let text = render(&COLUMNS, vec![row], Look { has_colour: true, ..Look::default() });
        assert!(text.contains("\u{1b}[31ma [2J\u{1b}[0m     1  b"), "{text:?}");
    }
}
