//! The steps that are kept, and how long.

/// One step. All numbers are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// For which a point stands.
    pub(super) step: u64,
    /// Of one row; a multiple of the step.
    pub(super) row: u64,
    /// How long rows are kept.
    pub(super) kept: u64,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// In memory only: a look's own step, and how far back it goes.
pub(super) const RAW_STEP: u64 = 10;
pub(super) const RAW_KEPT: u64 = HOUR;

/// From the finest to the coarsest. A volume that is always busy needs about 1.2 MB for all of them.
pub(super) const LEVELS: [Level; 3] = [
    Level { step: MINUTE, row: HOUR, kept: DAY },
    Level { step: 5 * MINUTE, row: 6 * HOUR, kept: 7 * DAY },
    Level { step: HOUR, row: 5 * DAY, kept: 365 * DAY },
];

impl Level {
    /// Start of the row that a moment is in.
    pub(super) const fn row_of(self, moment: u64) -> u64 {
        moment - moment % self.row
    }

    /// Start of the row, and number of the step in it.
    pub(super) const fn place(self, moment: u64) -> (u64, u64) {
        (self.row_of(moment), moment % self.row / self.step)
    }
}
