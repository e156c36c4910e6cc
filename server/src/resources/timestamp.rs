//! Times in resources: RFC 3339 texts in UTC with whole seconds, as Longhorn writes them; empty means never.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The present as a resource's text.
#[must_use]
pub fn now() -> String {
    text(OffsetDateTime::now_utc())
}

/// A moment as a resource's text, without its fraction of a second.
#[must_use]
pub fn text(moment: OffsetDateTime) -> String {
    let whole = moment.replace_nanosecond(0).unwrap_or(moment);
    whole.format(&Rfc3339).unwrap_or_default()
}

/// Reads a text back; `None` for an empty or broken one.
#[must_use]
pub fn parse(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// How long ago the text's moment was; zero for a moment to come, `None` for "never".
#[must_use]
pub fn age(text: &str) -> Option<std::time::Duration> {
    let elapsed = OffsetDateTime::now_utc() - parse(text)?;
    Some(elapsed.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let text_now = now();
        assert!(text_now.ends_with('Z') && !text_now.contains('.'), "{text_now}");
        assert_eq!(text(parse(&text_now).unwrap()), text_now);
        assert_eq!(age(""), None);
        assert!(age("2020-01-01T00:00:00Z").unwrap().as_secs() > 100_000_000);
        assert!(age("2999-01-01T00:00:00Z").unwrap().is_zero());
    }
}
