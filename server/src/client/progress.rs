//! How far something is, in one line of the terminal that is written again and again. Silent without a terminal.

use std::io::{self, IsTerminal, Write};

use aurochs_api::size::ByteSize;

use super::duration;
use super::table::printable;

/// Characters of the bar itself: the longest one that fits.
const BARS_CHARS: [usize; 4] = [24, 16, 8, 0];
/// To the beginning of the line, and nothing in it.
const CLEAR_LINE: &str = "\r\u{1b}[2K";

/// What is known of something that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// What it is at: `rebuilding vol-r-1`, `attaching`.
    pub(super) phase: String,
    pub(super) done: ByteSize,
    /// None where nobody knows.
    pub(super) planned: Option<ByteSize>,
    pub(super) bytes_per_second: u64,
    pub(super) seconds_left: Option<u64>,
    /// Where bytes are not known.
    pub(super) percent: Option<u64>,
}

impl Progress {
    pub(super) fn at(phase: impl Into<String>) -> Self {
        Self { phase: phase.into(), ..Self::default() }
    }

    fn percent(&self) -> Option<u64> {
        let planned = self.planned.filter(|planned| *planned > ByteSize::ZERO);
        let of = |planned: ByteSize| u128::from(self.done.0) * 100 / u128::from(planned.0);
        planned
            .map(|planned| u64::try_from(of(planned)).unwrap_or(100))
            .or(self.percent)
            .map(|percent| percent.min(100))
    }

    /// `rebuilding vol-r-1 [######------] 50 %, 1 GiB of 2 GiB, 120 MiB/s, 8s left`, in at most so many characters: the bar
    /// gives way first, then the bytes. How fast it is and how long it takes is what people look for.
    pub(super) fn line(&self, width: usize) -> String {
        let lines = BARS_CHARS.into_iter().map(|bar| self.line_of(bar, true));
        let mut lines = lines.chain([self.line_of(0, false)]);
        let fits = lines.find(|line| line.chars().count() <= width);
        fits.unwrap_or_else(|| self.line_of(0, false).chars().take(width).collect())
    }

    fn line_of(&self, bar_chars: usize, has_bytes: bool) -> String {
        let of = self.percent().map(|percent| match bar_chars {
            0 => format!(" {percent} %"),
            chars => {
                let full = usize::try_from(percent).unwrap_or(100) * chars / 100;
                format!(" [{}{}] {percent} %", "#".repeat(full), "-".repeat(chars.saturating_sub(full)))
            }
        });
        let mut parts = vec![format!("{}{}", self.phase, of.unwrap_or_default())];
        match self.planned {
            _ if !has_bytes => {}
            Some(planned) if planned > ByteSize::ZERO => parts.push(format!("{} of {planned}", self.done)),
            _ if self.done > ByteSize::ZERO => parts.push(self.done.to_string()),
            _ => {}
        }
        if self.bytes_per_second > 0 {
            parts.push(format!("{}/s", ByteSize(self.bytes_per_second)));
        }
        let left =
            self.seconds_left.or_else(|| self.planned?.saturating_sub(self.done).0.checked_div(self.bytes_per_second));
        if let Some(left) = left.filter(|left| *left > 0) {
            parts.push(format!("{} left", duration::words(left)));
        }
        parts.join(", ")
    }
}

/// The line, as long as something is waited for.
pub(super) struct ProgressLine {
    is_terminal: bool,
    is_drawn: bool,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), is_drawn: false }
    }

    pub(super) fn draw(&mut self, progress: &Progress) {
        if !self.is_terminal {
            return;
        }
        let width = terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| usize::from(width.0));
        let line = printable(&progress.line(width.saturating_sub(1)));
        self.write(&format!("{CLEAR_LINE}{line}"));
        self.is_drawn = true;
    }

    fn write(&self, text: &str) {
        // A terminal that is gone can't be told that it is gone.
        let mut out = io::stderr().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.is_drawn {
            self.write(CLEAR_LINE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn lines() {
        let copying = Progress {
            phase: "rebuilding r-1".into(),
            done: ByteSize(512 * MIB),
            planned: Some(ByteSize(1024 * MIB)),
            bytes_per_second: 64 * MIB,
            ..Progress::default()
        };
        let wanted = "rebuilding r-1 [############------------] 50 %, 512 MiB of 1 GiB, 64 MiB/s, 8s left";
        assert_eq!(copying.line(200), wanted);
        assert_eq!(Progress::at("attaching").line(200), "attaching");
        // As it was seen to be cut at 80 characters, before its rate.
        let long = Progress { phase: "rebuild of data-r-4e0a4d39".into(), ..copying.clone() };
        for (width, wanted) in [
            (79, "rebuild of data-r-4e0a4d39 [####----] 50 %, 512 MiB of 1 GiB, 64 MiB/s, 8s left"),
            (70, "rebuild of data-r-4e0a4d39 50 %, 512 MiB of 1 GiB, 64 MiB/s, 8s left"),
            (60, "rebuild of data-r-4e0a4d39 50 %, 64 MiB/s, 8s left"),
            (10, "rebuild of"),
        ] {
            assert_eq!(long.line(width), wanted);
        }
        let purge = Progress { percent: Some(100), ..Progress::at("purging") };
        assert_eq!(purge.line(200), "purging [########################] 100 %");
        // More was done than was planned: the plan was a guess.
        let over = Progress { done: ByteSize(2048 * MIB), bytes_per_second: 0, ..copying };
        assert_eq!(over.line(200), "rebuilding r-1 [########################] 100 %, 2 GiB of 1 GiB");
    }
}
