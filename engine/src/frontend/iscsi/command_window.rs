//! The numbers of commands: which one is next, and how far ahead an initiator may go (RFC 7143, section 4.2.2.1).
//!
//! ```text
//!  done or running │ expected ──────────► largest │ ignored
//! ─────────────────┴──────────────────────────────┴────────
//! ```
//! `largest` rises as commands end, so at most [`COMMAND_WINDOW`] of a session's commands are in this process.

/// What Linux initiators have in flight at most (`node.session.cmds_max`).
pub(super) const COMMAND_WINDOW: u32 = 128;

/// Where a number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Next,
    /// Others come before it, which are still on their way on other connections.
    Ahead,
    /// Seen already, or beyond what was allowed. Such a request is ignored without an answer.
    Outside,
}

#[derive(Debug)]
pub(super) struct CommandWindow {
    expected: u32,
    /// Commands with a number that have begun and not ended.
    running: u32,
}

/// Whether `a` comes before `b` in serial number arithmetic (RFC 1982).
pub(super) fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

impl CommandWindow {
    pub(super) fn starting_at(first: u32) -> Self {
        Self { expected: first, running: 0 }
    }

    pub(super) fn expected(&self) -> u32 {
        self.expected
    }

    /// MaxCmdSN. It never falls: a command that begins raises `expected` and `running` together.
    pub(super) fn largest(&self) -> u32 {
        self.expected.wrapping_add(COMMAND_WINDOW.saturating_sub(self.running)).wrapping_sub(1)
    }

    pub(super) fn standing(&self, number: u32) -> Standing {
        if number == self.expected && number != self.largest().wrapping_add(1) {
            Standing::Next
        } else if is_before(self.expected, number) && !is_before(self.largest(), number) {
            Standing::Ahead
        } else {
            Standing::Outside
        }
    }

    /// The expected number has come.
    pub(super) fn advance(&mut self) {
        self.expected = self.expected.wrapping_add(1);
    }

    pub(super) fn command_began(&mut self) {
        self.running += 1;
    }

    pub(super) fn command_ended(&mut self) {
        self.running = self.running.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap_around() {
        let mut window = CommandWindow::starting_at(u32::MAX);
        assert_eq!(window.largest(), COMMAND_WINDOW - 2);
        assert_eq!(window.standing(u32::MAX), Standing::Next);
        assert_eq!(window.standing(0), Standing::Ahead);
        assert_eq!(window.standing(u32::MAX - 1), Standing::Outside);
        assert_eq!(window.standing(window.largest()), Standing::Ahead);
        assert_eq!(window.standing(window.largest().wrapping_add(1)), Standing::Outside);
        window.advance();
        assert_eq!(window.standing(0), Standing::Next);
    }

    #[test]
    fn a_full_window_lets_nothing_in_until_a_command_ends() {
        let mut window = CommandWindow::starting_at(1);
        let mut largest = window.largest();
        for number in 1..=COMMAND_WINDOW {
            assert_eq!(window.standing(number), Standing::Next);
            window.advance();
            window.command_began();
            assert!(!is_before(window.largest(), largest), "MaxCmdSN fell");
            largest = window.largest();
        }
        assert_eq!(window.standing(COMMAND_WINDOW + 1), Standing::Outside);
        window.command_ended();
        assert_eq!(window.standing(COMMAND_WINDOW + 1), Standing::Next);
        assert_eq!(window.standing(COMMAND_WINDOW + 2), Standing::Outside);
    }
}
