//! How long ago something was.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// In one unit, as tables show it: `45s`, `12m`, `3h`, `9d`. Empty where no time is known.
pub(super) fn short(text: &str) -> String {
    since(text, OffsetDateTime::now_utc())
}

/// The time itself and how long ago it was, for one thing among few.
pub(super) fn long(text: &str) -> String {
    match (read(text), short(text)) {
        (Some(_), age) => format!("{text} ({age} ago)"),
        (None, _) => text.to_owned(),
    }
}

/// Seconds since 1970.
pub(super) fn seconds(text: &str) -> Option<i64> {
    read(text).map(OffsetDateTime::unix_timestamp)
}

fn since(text: &str, now: OffsetDateTime) -> String {
    let Some(then) = read(text) else { return String::new() };
    // Two clocks can differ; nothing was in the future.
    let seconds = (now - then).whole_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// RFC 3339, and the form of a volume's `created`: `2024-05-01 10:00:00 +0000 UTC`.
fn read(text: &str) -> Option<OffsetDateTime> {
    let go = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .or_else(|| PrimitiveDateTime::parse(text.get(..19)?, go).ok().map(PrimitiveDateTime::assume_utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_in_one_unit() {
        let now = OffsetDateTime::parse("2026-11-01T12:00:00Z", &Rfc3339).unwrap();
        for (text, wanted) in [
            ("2026-11-01T11:59:15Z", "45s"),
            ("2026-11-01T12:48:00+01:00", "12m"),
            ("2026-11-01 09:00:00 +0000 UTC", "3h"),
            ("2026-10-20T12:00:00.5Z", "11d"),
            ("2026-11-01T12:00:05Z", "0s"),
            ("", ""),
            ("yesterday", ""),
        ] {
            assert_eq!(since(text, now), wanted, "{text}");
        }
    }
}
