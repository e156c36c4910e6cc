//! How what was transferred compares with what the initiator expected (RFC 7143, section 11.4.5).

const OVERFLOW: u8 = 0x04;
const UNDERFLOW: u8 = 0x02;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Residual {
    None,
    /// The command had so many bytes more than the initiator expected.
    Overflow(u32),
    /// So many bytes of what the initiator expected were not transferred.
    Underflow(u32),
}

impl Residual {
    pub(super) fn of(expected_bytes: u32, actual_bytes: u64) -> Self {
        let expected = u64::from(expected_bytes);
        match actual_bytes.checked_sub(expected) {
            Some(0) => Self::None,
            Some(more) => Self::Overflow(u32::try_from(more).unwrap_or(u32::MAX)),
            // Less than `expected_bytes`, which is a u32.
            None => Self::Underflow((expected - actual_bytes) as u32),
        }
    }

    /// The flag in byte 1 of a response or of the last Data-In.
    pub(super) fn flag(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Overflow(_) => OVERFLOW,
            Self::Underflow(_) => UNDERFLOW,
        }
    }

    pub(super) fn bytes(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Overflow(bytes) | Self::Underflow(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        assert_eq!(Residual::of(512, 512), Residual::None);
        assert_eq!(Residual::of(0, 512), Residual::Overflow(512));
        assert_eq!(Residual::of(1000, 512), Residual::Underflow(488));
        assert_eq!(Residual::of(0, u64::MAX), Residual::Overflow(u32::MAX));
        assert_eq!(Residual::of(u32::MAX, 0), Residual::Underflow(u32::MAX));
        assert_eq!((Residual::Overflow(1).flag(), Residual::Underflow(1).flag(), Residual::None.flag()), (4, 2, 0));
    }
}
