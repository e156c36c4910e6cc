//! How often a target is read: whole seconds in a body, Go's text of a duration in an answer.

use crate::error::{ApiError, ErrorKind};

/// The largest interval, a year: more is a mistake.
const MAXIMUM_SECONDS: u32 = 365 * 24 * 60 * 60;

/// Seconds of a body's text; Go's text is taken too, so that an answer can be sent back.
pub(crate) fn parse(text: &str) -> Result<u32, ApiError> {
    let seconds = text.trim().parse().ok().or_else(|| of_go(text.trim()));
    seconds.filter(|seconds| *seconds <= MAXIMUM_SECONDS).ok_or_else(|| {
        let message = format_args!("the pollInterval {text:?} is no number of seconds between 0 and {MAXIMUM_SECONDS}");
        ApiError::new(ErrorKind::Invalid, message, "Give whole seconds as text, such as \"300\"; \"0\" is never.")
    })
}

/// `5m0s` of 300.
pub(crate) fn go_text(seconds: u32) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

fn of_go(text: &str) -> Option<u32> {
    let mut seconds: u32 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let scale = match &rest.as_bytes()[digits] {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        let number: u32 = rest[..digits].parse().ok()?;
        seconds = seconds.checked_add(number.checked_mul(scale)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for (text, seconds) in [("300", 300), ("0", 0), ("5m0s", 300), ("1h0m1s", 3601), ("0s", 0), (" 60 ", 60)] {
            assert_eq!(parse(text).unwrap(), seconds, "{text}");
        }
        for text in ["", "-1", "5 minutes", "m", "5m0", "99999999999999999999", "4294967295", "1.5", "5ä"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for seconds in [0, 1, 59, 60, 300, 3600, 86_400, MAXIMUM_SECONDS] {
            assert_eq!(parse(&go_text(seconds)).unwrap(), seconds);
        }
        assert_eq!((go_text(300).as_str(), go_text(3600).as_str()), ("5m0s", "1h0m0s"));
    }
}
