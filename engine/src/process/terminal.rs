//! What the commands for people print: text on standard output, progress on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use aurochs_api::size::ByteSize;

use super::ProgramError;

/// Between two updates of a line on a terminal.
const LINE_INTERVAL: Duration = Duration::from_millis(200);
/// Between two lines where progress goes to a file.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// Prints all of `text`. A reader that has seen enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), ProgramError> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(ProgramError::Io { what: "write to standard output".to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON, on several lines.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), ProgramError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| ProgramError::Io { what: "make the JSON text".to_owned(), source: error.into() })?;
    print(&format!("{text}\n"))
}

/// A line for people that is not the command's result.
pub(crate) fn tell(text: &str) {
    // Nobody may be listening any more.
    let _ = writeln!(io::stderr(), "{text}");
}

/// How a piece of text is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Heading,
    Bad,
    Doubtful,
    Faint,
}

/// Colours, where standard output is a terminal and `NO_COLOR` is not set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn for_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(io::stdout().is_terminal() && !unwanted)
    }

    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self(false)
    }

    pub(crate) fn paint(self, look: Look, text: &str) -> String {
        let code = match look {
            Look::Heading => "1",
            Look::Bad => "1;31",
            Look::Doubtful => "33",
            Look::Faint => "2",
        };
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Progress of something long: a line that changes on a terminal, else a line every few seconds.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    on_terminal: bool,
    started: Instant,
    told: Instant,
    line_is_open: bool,
}

impl Progress {
    /// `what` is done, as in "exported" or "checked".
    pub(crate) fn new(what: &'static str) -> Self {
        let now = Instant::now();
        Self { what, on_terminal: io::stderr().is_terminal(), started: now, told: now, line_is_open: false }
    }

    /// Says how far it is, if that was not said a moment ago.
    pub(crate) fn at(&mut self, done: u64, all: u64) {
        let interval = if self.on_terminal { LINE_INTERVAL } else { LOG_INTERVAL };
        if self.told.elapsed() < interval {
            return;
        }
        self.told = Instant::now();
        let line = self.line(done, all);
        if self.on_terminal {
            self.line_is_open = true;
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        } else {
            tell(&line);
        }
    }

    fn line(&self, done: u64, all: u64) -> String {
        let percent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
        let speed = u128::from(done) * 1000 / self.started.elapsed().as_millis().max(1);
        let speed = ByteSize(u64::try_from(speed).unwrap_or(u64::MAX));
        format!("{} {percent} %: {} of {}, {speed}/s", self.what, ByteSize(done), ByteSize(all))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.line_is_open {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Rows under headings, each column as wide as its widest cell; the last one is not padded.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>], paint: Paint) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = format!("  {}\n", paint.paint(Look::Faint, &line(&mut headings.iter().copied())));
    for row in rows {
        text.push_str(&format!("  {}\n", line(&mut row.iter().map(String::as_str))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [vec!["a".to_owned(), "16 MiB".to_owned()], vec!["longer".to_owned(), String::new()]];
        let text = table(&["LAYER", "SIZE"], &rows, Paint(false));
        assert_eq!(text, "  LAYER   SIZE\n  a       16 MiB\n  longer\n");
    }
}
