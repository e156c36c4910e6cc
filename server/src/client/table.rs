//! Tables for people: aligned, coloured and cut to the terminal where there is one, and never cut in a pipe.

use std::fmt::Write;

/// Between columns.
const GAP: &str = "  ";
/// What a column is not cut below,
const WIDTH_MINIMUM: usize = 10;
/// while there are others that can be spared,
const WIDTH_OF_USE: usize = 20;
/// and the first one, which names the thing.
const NAME_WIDTH_MINIMUM: usize = 16;
/// Where there is nothing, so that columns can be counted, by people and by `awk`.
const NOTHING: &str = "-";

/// A column's head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    is_number: bool,
    /// Only shown when everything is asked for.
    is_wide: bool,
    /// Not shown where a terminal has no room for it.
    is_spare: bool,
}

impl Column {
    pub(super) const fn text(title: &'static str) -> Self {
        Self { title, is_number: false, is_wide: false, is_spare: false }
    }

    /// Numbers stand at the right.
    pub(super) const fn number(title: &'static str) -> Self {
        Self { title, is_number: true, is_wide: false, is_spare: false }
    }

    pub(super) const fn wide(self) -> Self {
        Self { is_wide: true, ..self }
    }

    pub(super) const fn spare(self) -> Self {
        Self { is_spare: true, ..self }
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
    let rows: Vec<Vec<Cell>> = rows.into_iter().map(|row| row.into_iter().map(shown).collect()).collect();
    let places = places(columns, &rows, look);
    let mut text = String::new();
    let titles = columns.iter().map(|column| Cell::new(column.title, Tone::Dim)).collect();
    for row in std::iter::once(&titles).chain(&rows) {
        line(&mut text, row, &places, look.has_colour);
    }
    text
}

/// A cell as it can be written.
fn shown(cell: Cell) -> Cell {
    let text = printable(&cell.text);
    Cell { text: if text.is_empty() { NOTHING.to_owned() } else { text }, ..cell }
}

/// A column that is shown.
struct Place<'a> {
    column: &'a Column,
    /// Among all columns.
    at: usize,
    width: usize,
}

impl Place<'_> {
    const fn is_first(&self) -> bool {
        self.at == 0
    }

    /// Which can be cut at its end.
    const fn is_text(&self) -> bool {
        !self.is_first() && !self.column.is_number
    }

    fn has_something(&self, rows: &[Vec<Cell>]) -> bool {
        let texts = rows.iter().filter_map(|row| row.get(self.at)).map(|cell| cell.text.trim());
        texts.into_iter().any(|text| !text.is_empty() && text != NOTHING)
    }
}

fn total(places: &[Place<'_>]) -> usize {
    places.iter().map(|place| place.width).sum::<usize>() + GAP.len() * places.len().saturating_sub(1)
}

/// What they take at least with texts that are of use.
fn least(places: &[Place<'_>]) -> usize {
    let spared = |place: &Place<'_>| if place.is_text() { place.width.saturating_sub(WIDTH_OF_USE) } else { 0 };
    total(places).saturating_sub(places.iter().map(spared).sum())
}

/// As wide as the widest cells. Where the terminal is narrower, columns go in which there is nothing, then those that can be
/// spared, the last ones first, as long as the others would be cut too short; then texts are cut, the longest first, and the
/// first column at last. Numbers never are.
fn places<'a>(columns: &'a [Column], rows: &[Vec<Cell>], look: Look) -> Vec<Place<'a>> {
    let widest = |at: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.chars().count());
        cells.chain([title.chars().count()]).max().unwrap_or(0)
    };
    let all = columns.iter().enumerate().filter(|(_, column)| look.is_wide || !column.is_wide);
    let mut places: Vec<Place<'_>> =
        all.map(|(at, column)| Place { column, at, width: widest(at, column.title) }).collect();
    let Some(limit) = look.width.filter(|limit| !look.is_wide && total(&places) > *limit) else { return places };
    places.retain(|place| place.is_first() || place.has_something(rows));
    while least(&places) > limit
        && let Some(spare) = places.iter().rposition(|place| place.column.is_spare)
    {
        places.remove(spare);
    }
    while total(&places) > limit
        && let Some(longest) = longest_text(&mut places)
    {
        longest.width -= 1;
    }
    let excess = total(&places).saturating_sub(limit);
    if let Some(first) = places.first_mut().filter(|first| !first.column.is_number) {
        first.width = first.width.saturating_sub(excess).max(NAME_WIDTH_MINIMUM.min(first.width));
    }
    places
}

/// The one that is cut next.
fn longest_text<'p, 'a>(places: &'p mut [Place<'a>]) -> Option<&'p mut Place<'a>> {
    let can_be_cut = |place: &&mut Place<'_>| place.is_text() && place.width > WIDTH_MINIMUM;
    places.iter_mut().filter(can_be_cut).max_by_key(|place| place.width)
}

fn line(text: &mut String, row: &[Cell], places: &[Place<'_>], has_colour: bool) {
    let mut cells = places.iter().filter_map(|place| Some((place, row.get(place.at)?))).peekable();
    while let Some((place, cell)) = cells.next() {
        let is_last = cells.peek().is_none();
        let shown = cut(&cell.text, place.width, place.is_first());
        let padding = " ".repeat(place.width.saturating_sub(shown.chars().count()));
        let shown = match cell.tone.sequence().filter(|_| has_colour) {
            Some(sequence) => format!("{sequence}{shown}\u{1b}[0m"),
            None => shown,
        };
        let result = match (place.column.is_number, is_last) {
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

/// Texts lose their end; names, which are often told apart there, their middle.
fn cut(text: &str, width: usize, is_name: bool) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let end = if is_name { kept / 2 } else { 0 };
    text.chars().take(kept - end).chain(['…']).chain(text.chars().skip(length - end)).collect()
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
    fn a_narrow_terminal_loses_what_can_be_spared_and_numbers_stay_whole() {
        const COLUMNS: [Column; 5] = [
            Column::text("NAME"),
            Column::text("TAGS"),
            Column::number("SIZE"),
            Column::text("PATH").spare(),
            Column::text("CAUSE"),
        ];
        let row = |texts: [&str; 5]| texts.map(Cell::from).to_vec();
        let path = "/var/lib/longhorn";
        let rows = || {
            vec![
                row(["pvc-4a5f1c2e-9d1a-4b3e-8c77-2f1f6c0a7e55", "", "100 GiB", path, "two replicas are missing"]),
                row(["data", "", "1 GiB", path, ""]),
            ]
        };
        let at = |width| render(&COLUMNS, rows(), Look { width: Some(width), ..Look::default() });
        assert!(at(200).contains("TAGS"));
        let full: usize = at(200).lines().map(|line| line.chars().count()).max().unwrap();
        for (width, has_tags, has_path) in [(full, true, true), (full - 1, false, true), (80, false, false)] {
            let text = at(width);
            assert_eq!((text.contains("TAGS"), text.contains("PATH")), (has_tags, has_path), "{width}: {text}");
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
        }
        let text = at(40);
        assert!(text.contains("100 GiB") && text.lines().all(|line| line.chars().count() <= 40), "{text}");
        let first = text.lines().nth(1).unwrap();
        assert!(first.starts_with("pvc-4a5f") && first.contains("7e55"), "a name keeps both ends: {text}");
        // No room at all: it is shown all the same.
        assert!(at(10).contains("100 GiB"));
    }

    #[test]
    fn colours_don_t_move_columns_and_names_don_t_speak_to_the_terminal() {
        let row = vec![Cell::new("a\u{1b}[2J", Tone::Bad), "1".into(), "".into(), "b".into()];
        let text = render(&COLUMNS, vec![row], Look { has_colour: true, ..Look::default() });
        assert!(text.contains("\u{1b}[31ma [2J\u{1b}[0m     1  b"), "{text:?}");
    }
}
