//! What went wrong, as the person at the terminal is told, and the exit code that a script gets.

use std::io;
use std::process::ExitCode;

/// What kind of failure it is. The exit codes are documented in docs/cli.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It was refused, or begun and failed.
    Refused,
    /// What was asked for can't be meant. clap ends with the same code.
    Usage,
    Unreachable,
    NotFound,
    /// Nobody is logged in, or may not do it.
    NotAllowed,
    /// Waiting took longer than allowed; what was begun goes on.
    TimedOut,
    /// Ctrl-C while waiting; what was begun goes on.
    Interrupted,
    /// Nobody reads the output any more: `aurochs volume ls | head -1`. Not worth a word.
    NobodyReads,
}

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// What was tried and why it failed.
    message: String,
    /// What to do next; empty when there is nothing to do.
    next_step: String,
}

impl Failure {
    pub(super) fn new(kind: Kind, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self { kind, message: message.into(), next_step: next_step.into() }
    }

    pub(super) fn usage(message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message, next_step)
    }

    pub(super) fn refused(message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message, next_step)
    }

    /// Writes it to standard error.
    #[expect(clippy::print_stderr, reason = "the last word of a program goes to its standard error")]
    pub(super) fn told(&self) -> ExitCode {
        if self.kind != Kind::NobodyReads {
            let word = if matches!(self.kind, Kind::Interrupted) { "" } else { "error: " };
            eprintln!("{word}{}", super::table::printable(&self.message));
            if !self.next_step.is_empty() {
                eprintln!("  next: {}", super::table::printable(&self.next_step));
            }
        }
        ExitCode::from(self.kind.code())
    }
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::NobodyReads => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NotFound => 4,
            Self::NotAllowed => 5,
            Self::TimedOut => 6,
            // As a shell reports a program that was ended by SIGINT.
            Self::Interrupted => 130,
        }
    }
}

/// Of what is written to standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Kind::NobodyReads, "", ""),
            _ => Self::refused(format!("the output can't be written: {error}"), "Is the disk full?"),
        }
    }
}
