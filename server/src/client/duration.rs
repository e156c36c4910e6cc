//! Lengths of time as people write them: `90s`, `5m`, `1h30m`.

use std::time::Duration;

/// For clap.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no length of time; give one such as 90s, 5m or 1h30m");
    let (mut seconds, mut rest) = (0_u64, text.trim());
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = behind.chars().next();
        let scale = match unit {
            // A number alone is in seconds, but only alone.
            None if digits == text.trim().len() => 1,
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            _ => return Err(wrong()),
        };
        seconds = number.checked_mul(scale).and_then(|part| seconds.checked_add(part)).ok_or_else(wrong)?;
        rest = behind.get(unit.map_or(0, char::len_utf8)..).unwrap_or_default();
    }
    Ok(Duration::from_secs(seconds))
}

/// In the two largest units: `1h 30m`.
pub(super) fn words(seconds: u64) -> String {
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let told = units.iter().skip(first).take(2).filter(|(count, unit)| *count > 0 || (*unit == "s" && seconds == 0));
    told.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), (" 1m ", 60)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "5x", "1h30", "-5s", "99999999999999999999s", "18446744073709551615d", "5ü"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn in_words() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (3661, "1h 1m"), (90_061, "1d 1h"), (7205, "2h")] {
            assert_eq!(words(seconds), text);
        }
    }
}
