//! How far something is, in one line of the terminal that is written again and again. Silent without a terminal.

use std::io::{self, IsTerminal, Write};

use aurochs_api::size::ByteSize;

use super::duration;
use super::table::printable;

/// Characters of the bar itself.
const BAR_CHARS: u64 = 24;
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

    /// `rebuilding vol-r-1 [######------] 50 %, 1 GiB of 2 GiB, 120 MiB/s, 8s left`
    pub(super) fn line(&self) -> String {
        let bar = self.percent().map(|percent| {
            let full = usize::try_from(percent * BAR_CHARS / 100).unwrap_or(0);
            let rest = usize::try_from(BAR_CHARS).unwrap_or(0).saturating_sub(full);
            format!(" [{}{}] {percent} %", "#".repeat(full), "-".repeat(rest))
        });
        let mut parts = vec![format!("{}{}", self.phase, bar.unwrap_or_default())];
        match self.planned {
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
        let line: String = printable(&progress.line()).chars().take(width.saturating_sub(1)).collect();
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
        assert_eq!(copying.line(), wanted);
        assert_eq!(Progress::at("attaching").line(), "attaching");
        let purge = Progress { percent: Some(100), ..Progress::at("purging") };
        assert_eq!(purge.line(), "purging [########################] 100 %");
        // More was done than was planned: the plan was a guess.
        let over = Progress { done: ByteSize(2048 * MIB), bytes_per_second: 0, ..copying };
        assert_eq!(over.line(), "rebuilding r-1 [########################] 100 %, 2 GiB of 1 GiB");
    }
}
