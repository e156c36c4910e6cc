//! The arithmetic of disk space, exactly Longhorn's (behaviour.md §2): real free space and promised space are two
//! tests, and both must pass.

use aurochs_api::size::ByteSize;

/// What a disk has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskSpace {
    pub maximum: ByteSize,
    /// Really free on the file system; knows nothing of the reservation.
    pub available: ByteSize,
    pub reserved: ByteSize,
    /// Sum of what the replicas placed here may grow to.
    pub scheduled: ByteSize,
}

/// What the settings allow.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub over_provisioning_percent: u64,
    pub minimal_available_percent: u64,
}

/// So many percent of a disk stay between a replica that came to relieve another disk and the line of pressure, or a
/// little growth would send it back.
const PRESSURE_MARGIN_PERCENT: u64 = 5;

/// Why a size does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The disk's size is not known or zero.
    Empty,
    /// Too little is really free.
    Pressure { available: ByteSize, minimum: ByteSize },
    /// Too much is promised already.
    Promised { schedulable: ByteSize },
}

impl DiskSpace {
    /// Whether a replica of `size` that writes `required` at once may be placed here.
    pub fn check(&self, size: ByteSize, required: ByteSize, limits: Limits) -> Result<(), Shortage> {
        if self.maximum == ByteSize::ZERO || self.available == ByteSize::ZERO {
            return Err(Shortage::Empty);
        }
        let minimum = percent_of(self.maximum, limits.minimal_available_percent);
        if self.available.saturating_sub(required) <= minimum {
            return Err(Shortage::Pressure { available: self.available, minimum });
        }
        let schedulable = self.schedulable(limits);
        if size > schedulable || self.scheduled > self.promise_limit(limits) {
            return Err(Shortage::Promised { schedulable });
        }
        Ok(())
    }

    /// How much may still be promised, whatever is really free.
    #[must_use]
    pub fn schedulable(&self, limits: Limits) -> ByteSize {
        self.promise_limit(limits).saturating_sub(self.scheduled)
    }

    /// Whether the disk is so full that replicas should leave it; `threshold` is a part of the disk in percent, 0 for
    /// never.
    #[must_use]
    pub fn is_pressed(&self, threshold_percent: u64) -> bool {
        self.is_pressed_when(ByteSize::ZERO, threshold_percent, 0)
    }

    /// Whether a replica may come here from a disk under pressure: all that is promised stays below the threshold, and
    /// what is really free stays so far above the line that the copy's own bytes don't put the disk under pressure.
    #[must_use]
    pub fn relieves(&self, copied: ByteSize, threshold_percent: u64) -> bool {
        let promised = copied.saturating_add(self.scheduled).saturating_add(self.reserved);
        percent_part(promised, self.maximum) < threshold_percent
            && !self.is_pressed_when(copied, threshold_percent, PRESSURE_MARGIN_PERCENT)
    }

    fn is_pressed_when(&self, copied: ByteSize, threshold_percent: u64, margin_percent: u64) -> bool {
        let free = self.available.saturating_sub(copied).saturating_sub(self.reserved);
        let line = 100_u64.saturating_sub(threshold_percent).saturating_add(margin_percent);
        threshold_percent > 0 && percent_part(free, self.maximum) < line
    }

    /// (maximum − reserved) × over-provisioning % / 100.
    #[must_use]
    pub fn promise_limit(&self, limits: Limits) -> ByteSize {
        percent_of(self.maximum.saturating_sub(self.reserved), limits.over_provisioning_percent)
    }

    /// What the balance is judged by: max(0, available − reserved − scheduled).
    #[must_use]
    pub fn usable(&self) -> ByteSize {
        self.available.saturating_sub(self.reserved).saturating_sub(self.scheduled)
    }
}

/// Truncated, as Longhorn's integers are; saturates.
fn percent_of(size: ByteSize, percent: u64) -> ByteSize {
    let bytes = u128::from(size.0) * u128::from(percent) / 100;
    ByteSize(u64::try_from(bytes).unwrap_or(u64::MAX))
}

/// How many percent of the whole the part is, truncated; all of nothing.
fn percent_part(part: ByteSize, whole: ByteSize) -> u64 {
    let percent = (u128::from(part.0) * 100).checked_div(u128::from(whole.0)).unwrap_or(100);
    u64::try_from(percent).unwrap_or(u64::MAX)
}

/// The reservation of a default disk: maximum × percent / 100.
#[must_use]
pub fn default_reservation(maximum: ByteSize, percent: u64) -> ByteSize {
    percent_of(maximum, percent.min(100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_api::size::GIB;

    const LIMITS: Limits = Limits { over_provisioning_percent: 100, minimal_available_percent: 25 };

    fn disk(maximum: u64, available: u64, reserved: u64, scheduled: u64) -> DiskSpace {
        let gib = |count: u64| ByteSize(count * GIB);
        DiskSpace {
            maximum: gib(maximum),
            available: gib(available),
            reserved: gib(reserved),
            scheduled: gib(scheduled),
        }
    }

    #[test]
    fn both_tests_must_pass() {
        let size = ByteSize(10 * GIB);
        assert_eq!(disk(100, 90, 30, 60).check(size, ByteSize::ZERO, LIMITS), Ok(()));
        assert_eq!(
            disk(100, 90, 30, 61).check(size, ByteSize::ZERO, LIMITS),
            Err(Shortage::Promised { schedulable: ByteSize(9 * GIB) })
        );
        // 25 % of 100 must be exceeded, not met.
        assert!(matches!(disk(100, 25, 0, 0).check(size, ByteSize::ZERO, LIMITS), Err(Shortage::Pressure { .. })));
        assert_eq!(disk(100, 26, 0, 0).check(size, ByteSize::ZERO, LIMITS), Ok(()));
        // A rebuild's bytes count against free space.
        assert!(disk(100, 30, 0, 0).check(size, ByteSize(5 * GIB), LIMITS).is_err());
        assert_eq!(disk(0, 0, 0, 0).check(size, ByteSize::ZERO, LIMITS), Err(Shortage::Empty));
    }

    /// Table "disk space formulas", rows "disk under pressure" and "target ok under pressure".
    #[test]
    fn pressure_begins_at_the_threshold_and_a_target_stays_clear_of_it() {
        for (available, reserved, pressed) in [(11, 0, false), (10, 0, false), (9, 0, true), (19, 10, true)] {
            assert_eq!(disk(100, available, reserved, 0).is_pressed(90), pressed, "{available} {reserved}");
        }
        assert!(!disk(100, 0, 0, 0).is_pressed(0), "0 switches it off");
        let gib = |count| ByteSize(count * GIB);
        assert!(disk(100, 60, 0, 40).relieves(gib(10), 90));
        assert!(!disk(100, 60, 0, 85).relieves(gib(10), 90), "promised bytes count");
        assert!(!disk(100, 24, 0, 0).relieves(gib(10), 90), "the copy would bring it within the margin");
        assert!(disk(100, 25, 0, 0).relieves(gib(10), 90));
    }

    #[test]
    fn over_provisioning_multiplies_what_is_not_reserved() {
        let limits = Limits { over_provisioning_percent: 200, ..LIMITS };
        assert_eq!(disk(100, 90, 30, 100).schedulable(limits), ByteSize(40 * GIB));
        assert_eq!(default_reservation(ByteSize(100), 30), ByteSize(30));
    }
}
