//! Sizes that are asked for.

use aurochs_api::size::{ByteSize, VOLUME_SIZE_ALIGNMENT, VOLUME_SIZE_MINIMUM};

use crate::csi::CapacityRange;
use crate::failure::{Failure, Kind};

/// The size of the volume for what was asked: at least the smallest there is, rounded up.
pub fn wanted(range: Option<&CapacityRange>) -> Result<ByteSize, Failure> {
    let (required, limit) = range.map_or((0, 0), |range| (range.required_bytes, range.limit_bytes));
    let bytes = |number: i64, field: &str| {
        u64::try_from(number).map_err(|_| {
            Failure::new(Kind::OutOfRange, format_args!("{field} can't be {number}"), "Give a number from 0.")
        })
    };
    let (required, limit) = (bytes(required, "required_bytes")?, bytes(limit, "limit_bytes")?);
    if limit > 0 && required > limit {
        let message = format_args!("required_bytes {required} is more than limit_bytes {limit}");
        return Err(Failure::new(Kind::OutOfRange, message, ""));
    }
    let size = ByteSize(required).max(VOLUME_SIZE_MINIMUM).round_up(VOLUME_SIZE_ALIGNMENT);
    if limit > 0 && size.bytes() > limit {
        let message = format_args!(
            "a volume of at most {limit} bytes can't be had: sizes are multiples of {VOLUME_SIZE_ALIGNMENT} from \
             {VOLUME_SIZE_MINIMUM}"
        );
        return Err(Failure::new(Kind::OutOfRange, message, format_args!("Allow {} bytes.", size.bytes())));
    }
    if i64::try_from(size.bytes()).is_err() {
        return Err(Failure::new(Kind::OutOfRange, format_args!("{size} is no size of a volume"), ""));
    }
    Ok(size)
}

/// As CSI has sizes.
#[must_use]
pub fn signed(size: ByteSize) -> i64 {
    i64::try_from(size.bytes()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: i64 = 1 << 20;

    fn size(required_bytes: i64, limit_bytes: i64) -> Result<i64, Kind> {
        let range = CapacityRange { required_bytes, limit_bytes };
        wanted(Some(&range)).map(signed).map_err(|failure| failure.kind)
    }

    #[test]
    fn sizes() {
        assert_eq!(wanted(None), Ok(VOLUME_SIZE_MINIMUM));
        assert_eq!(size(0, 0), Ok(10 * MIB));
        assert_eq!(size(MIB, 0), Ok(10 * MIB), "a claim of 1Mi gets 10Mi");
        assert_eq!(size(11 * MIB, 0), Ok(12 * MIB));
        assert_eq!(size(12 * MIB, 12 * MIB), Ok(12 * MIB));
        for (required, limit) in [(11 * MIB, 11 * MIB), (0, MIB), (-1, 0), (0, -1), (2 * MIB, MIB), (i64::MAX, 0)] {
            assert_eq!(size(required, limit), Err(Kind::OutOfRange), "{required} {limit}");
        }
    }
}
