//! Lists that come in pages, the latest first: `?limit=50&marker=1234`, and `pagination.next` in the answer, which
//! Longhorn's clients follow where it is.

use std::fmt::Display;
use std::str::FromStr;

use aurochs_api::schema::Pagination;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{ApiError, ErrorKind};
use crate::web::request_url::RequestUrl;

/// Things on a page where nobody says.
pub const LIMIT_DEFAULT: u32 = 100;
/// A longer page is refused: that many have a megabyte.
pub const LIMIT_MAXIMUM: u32 = 1000;
/// Of a wrong value, as much is repeated in the refusal.
const TOLD_CHARACTERS: usize = 100;

/// Reads the fields of a list's query; empty ones ask for nothing.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// What is listed: `jobs`.
    pub of: &'static str,
}

impl Reader {
    /// Things on the page.
    pub fn limit(self, text: &str) -> Result<u32, ApiError> {
        if text.is_empty() {
            return Ok(LIMIT_DEFAULT);
        }
        let number = text.parse().ok().filter(|number| (1..=LIMIT_MAXIMUM).contains(number));
        number.ok_or_else(|| self.wrong("limit", text, format_args!("it is a whole number from 1 to {LIMIT_MAXIMUM}")))
    }

    /// The last thing of the page before.
    pub fn marker<T: FromStr<Err: Display>>(self, text: &str) -> Result<Option<T>, ApiError> {
        let read = said(text).map(|text| text.parse().map_err(|error| self.wrong("marker", text, error)));
        read.transpose()
    }

    /// A time.
    pub fn moment(self, field: &str, text: &str) -> Result<Option<OffsetDateTime>, ApiError> {
        // A plus stands for a space in a query; no time has one.
        let read = said(text).map(|text| OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339));
        read.transpose().map_err(|_| self.wrong(field, text, "a time looks like 2026-11-01T13:30:00Z"))
    }

    /// Why this value of a field can't be asked for.
    pub fn wrong(self, field: &str, value: &str, why: impl Display) -> ApiError {
        let value: String = value.chars().take(TOLD_CHARACTERS).collect();
        let message = format_args!("{} can't be listed with {field}={value:?}: {why}", self.of);
        ApiError::new(ErrorKind::Invalid, message, "Correct it, or leave it out.")
    }
}

/// None for an empty text.
#[must_use]
pub fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Cuts what was found to the page, of which one thing more than its limit was asked for: it tells that there is another
/// page. `query` is the one of this page, `marker` what a thing is known by.
pub fn cut<T>(
    found: &mut Vec<T>,
    limit: u32,
    url: &RequestUrl,
    query: Option<&str>,
    marker: impl Fn(&T) -> String,
) -> Pagination {
    let fits = usize::try_from(limit).unwrap_or(usize::MAX);
    let partial = found.len() > fits;
    found.truncate(fits);
    let last = found.last().filter(|_| partial);
    let next = last.map(|last| format!("{}?{}", url.current(), next_query(query, &marker(last))));
    Pagination { limit, partial, next }
}

/// The same question from another place on.
fn next_query(query: Option<&str>, marker: &str) -> String {
    let kept = query.unwrap_or_default().split('&').filter(|part| !part.is_empty() && !part.starts_with("marker="));
    let marker = format!("marker={marker}");
    kept.chain([marker.as_str()]).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_asked_the_same() {
        for (query, expected) in [
            (None, "marker=7"),
            (Some("limit=2&volume=a%20b"), "limit=2&volume=a%20b&marker=7"),
            (Some("marker=9&limit=2&"), "limit=2&marker=7"),
        ] {
            assert_eq!(next_query(query, "7"), expected);
        }
    }

    #[test]
    fn what_can_not_be_asked_is_said() {
        let reader = Reader { of: "things" };
        for (error, words) in [
            (reader.limit("0").unwrap_err(), "1 to 1000"),
            (reader.limit("1001").unwrap_err(), "1 to 1000"),
            (reader.limit("many").unwrap_err(), "limit=\"many\""),
            (reader.marker::<i64>("1.5").unwrap_err(), "things can't be listed with marker"),
            (reader.moment("from", "yesterday").unwrap_err(), "2026-11-01"),
        ] {
            assert!(error.kind == ErrorKind::Invalid && error.message.contains(words), "{}", error.message);
        }
        assert_eq!((reader.limit("").unwrap(), reader.marker::<i64>("").unwrap()), (LIMIT_DEFAULT, None));
        let moment = reader.moment("from", "2026-11-01T00:00:00 01:00").unwrap();
        assert_eq!(moment.map(OffsetDateTime::unix_timestamp), Some(1_793_487_600));
    }
}
