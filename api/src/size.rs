//! Amounts of bytes: arithmetic, text forms, JSON forms.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes.
///
/// JSON: Longhorn writes volume sizes as decimal strings and disk figures as numbers. This type writes a string;
/// [`as_number`] writes a number. Both read either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;
pub const TIB: u64 = 1 << 40;

/// Volume sizes are multiples of this (Longhorn's alignment, and a backup block).
pub const VOLUME_SIZE_ALIGNMENT: ByteSize = ByteSize(2 * MIB);
/// The smallest volume that Longhorn's users get.
pub const VOLUME_SIZE_MINIMUM: ByteSize = ByteSize(10 * MIB);

impl ByteSize {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Rounded up to a multiple of `unit`; saturates at the largest multiple.
    #[must_use]
    pub const fn round_up(self, unit: Self) -> Self {
        match self.0.checked_next_multiple_of(unit.0) {
            Some(bytes) => Self(bytes),
            None => Self(u64::MAX / unit.0 * unit.0),
        }
    }

    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::iter::Sum for ByteSize {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::ZERO, Self::saturating_add)
    }
}

/// For people: `512 B`, `10.0 MiB`, `1.25 GiB`; whole numbers of 100 and more lose their fraction.
impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 5] = [("PiB", 1 << 50), ("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)];
        let Some((unit, scale)) = UNITS.iter().find(|(_, scale)| self.0 >= *scale) else {
            return write!(formatter, "{} B", self.0);
        };
        if self.0.is_multiple_of(*scale) {
            return write!(formatter, "{} {unit}", self.0 / scale);
        }
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let value = self.0 as f64 / *scale as f64;
        let decimals = if value >= 100.0 {
            0
        } else if value >= 10.0 {
            1
        } else {
            2
        };
        write!(formatter, "{value:.decimals$} {unit}")
    }
}

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("the size is empty; give bytes or a quantity such as 10Gi")]
    Empty,
    #[error("{0:?} is not a size; give bytes (10737418240) or a quantity such as 10Gi or 100G")]
    NotASize(String),
    #[error("{0:?} is too large for a size in bytes")]
    TooLarge(String),
}

/// Reads Kubernetes quantities: plain bytes, `Ki Mi Gi Ti Pi Ei` (powers of 1024), `k M G T P E` (powers of 1000),
/// with an optional decimal fraction (rounded up to whole bytes). A space before the unit and a final `B` are let pass.
impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(SizeError::Empty);
        }
        let not_a_size = || SizeError::NotASize(text.to_owned());
        let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let unit = unit.trim_start();
        let unit = unit.strip_suffix('B').unwrap_or(unit);
        let scale: u128 = match unit {
            "" => 1,
            "k" | "K" => 1000,
            "M" => 1000_u128.pow(2),
            "G" => 1000_u128.pow(3),
            "T" => 1000_u128.pow(4),
            "P" => 1000_u128.pow(5),
            "E" => 1000_u128.pow(6),
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            "Pi" => 1 << 50,
            "Ei" => 1 << 60,
            _ => return Err(not_a_size()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // More than 18 decimals of the largest unit are below a byte; they are refused rather than overflowing.
        if whole.is_empty() || fraction.len() > 18 || whole.len() > 20 {
            return Err(not_a_size());
        }
        let whole: u128 = whole.parse().map_err(|_| not_a_size())?;
        let fraction_bytes = if fraction.is_empty() {
            0
        } else {
            let digits: u128 = fraction.parse().map_err(|_| not_a_size())?;
            (digits * scale).div_ceil(10_u128.pow(u32::try_from(fraction.len()).unwrap_or(18)))
        };
        let bytes = whole * scale + fraction_bytes;
        u64::try_from(bytes).map(Self).map_err(|_| SizeError::TooLarge(text.to_owned()))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            // Some clients send every number as a float.
            Float(f64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(bytes) => Ok(Self(bytes)),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in the guard")]
            Form::Float(value) if (0.0..=9.0e15).contains(&value) && value.fract() == 0.0 => Ok(Self(value as u64)),
            Form::Float(value) => Err(serde::de::Error::custom(SizeError::NotASize(value.to_string()))),
            Form::Text(text) if text.is_empty() => Ok(Self::ZERO),
            Form::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// `#[serde(with = "as_number")]`: the JSON form of disk figures.
pub mod as_number {
    use super::{ByteSize, Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(size: &ByteSize, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(size.0)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
        ByteSize::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, bytes) in [
            ("0", 0),
            ("10Gi", 10 * GIB),
            (" 1.5Mi ", MIB + MIB / 2),
            ("100G", 100_000_000_000),
            ("2 GiB", 2 * GIB),
            ("0.1Ki", 103),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "-1", "Gi", "1Zi", "1.2.3", "1e3", "ten", ".5", "1.0000000000000000000001"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        assert_eq!("18446744073709551616".parse::<ByteSize>(), Err(SizeError::TooLarge("18446744073709551616".into())));
    }

    #[test]
    fn text_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (10 * GIB, "10 GiB"),
            (GIB + GIB / 4, "1.25 GiB"),
            (35 * GIB + GIB / 10, "35.1 GiB"),
            (140 * GIB + GIB / 2, "140 GiB"),
            (2 * TIB, "2 TiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }

    #[test]
    fn both_json_forms() {
        assert_eq!(serde_json::to_string(&ByteSize(5)).unwrap(), "\"5\"");
        for json in ["5", "\"5\"", "5.0"] {
            assert_eq!(serde_json::from_str::<ByteSize>(json).unwrap(), ByteSize(5));
        }
        assert!(serde_json::from_str::<ByteSize>("5.5").is_err());
        assert!(serde_json::from_str::<ByteSize>("-5").is_err());
    }

    #[test]
    fn rounding() {
        assert_eq!(ByteSize(1).round_up(VOLUME_SIZE_ALIGNMENT), VOLUME_SIZE_ALIGNMENT);
        assert_eq!(ByteSize(u64::MAX).round_up(ByteSize(2)), ByteSize(u64::MAX - 1));
    }
}
