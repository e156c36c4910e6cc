//! Times as the API writes them, in seconds since 1970.

/// Reads RFC 3339 (`2024-05-01T10:00:00.5Z`, `…+02:00`) and Go's `2024-05-01 10:00:00 +0000 UTC`.
/// `None` for anything else, so also for the empty text that stands for never.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, rest) = (text.get(..10)?, text.get(10..)?);
    let clock = rest.get(1..9)?;
    let (year, month, day) = three(date, '-')?;
    let (hour, minute, second) = three(clock, ':')?;
    let seconds = days_from_civil(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    Some(seconds - offset_seconds(rest.get(9..)?)?)
}

/// A sentence of the manager with its times as `show` writes them: people read their own clock.
pub(crate) fn localized(sentence: &str, show: fn(i64) -> String) -> String {
    let mut said = String::with_capacity(sentence.len());
    for piece in sentence.split_inclusive(' ') {
        let word = piece.trim_start_matches('(').trim_end_matches([' ', '.', ',', ';', ':', ')']);
        match parse(word).filter(|_| word.ends_with('Z') && word.get(10..11) == Some("T")) {
            Some(at) => said.push_str(&piece.replacen(word, &show(at), 1)),
            None => said.push_str(piece),
        }
    }
    said
}

fn three(text: &str, separator: char) -> Option<(i64, i64, i64)> {
    let mut parts = text.split(separator).map(str::parse::<i64>);
    let numbers = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some(numbers)
}

/// What stands behind the seconds: a fraction (ignored), then `Z`, `+hh:mm`, ` +hhmm UTC` or nothing.
fn offset_seconds(text: &str) -> Option<i64> {
    let text = text.strip_prefix('.').map_or(text, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let text = text.trim_start();
    if text.is_empty() || text.starts_with('Z') {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text.get(1..)?.chars().take_while(|c| *c != ' ').filter(char::is_ascii_digit).collect();
    let (hours, minutes) = (digits.get(..2)?.parse::<i64>().ok()?, digits.get(2..4)?.parse::<i64>().ok()?);
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Days since 1970-01-01 of a Gregorian date (Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_api() {
        let expected = Some(1_714_557_600); // date -u -d '2024-05-01 10:00:00' +%s
        for text in [
            "2024-05-01T10:00:00Z",
            "2024-05-01T10:00:00.123456Z",
            "2024-05-01T12:00:00+02:00",
            "2024-05-01 10:00:00 +0000 UTC",
            "2024-05-01 10:00:00.5 +0000 UTC",
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("2000-02-29T00:00:00Z"), Some(951_782_400));
    }

    #[test]
    fn times_in_sentences() {
        let show = |at: i64| format!("<{at}>");
        let sentence =
            "It lacks data since 2000-02-29T00:00:00Z: the disk (1970-01-01T00:00:00.5Z) ended. Zero at 10 T.";
        assert_eq!(localized(sentence, show), "It lacks data since <951782400>: the disk (<0>) ended. Zero at 10 T.");
        assert_eq!(localized("", show), "");
    }

    #[test]
    fn never_and_nonsense() {
        for text in
            ["", "never", "2024-13-01T00:00:00Z", "2024-05-01", "2024-05-01T10:00:00 noon", "ä24-05-01T10:00:00Z"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
