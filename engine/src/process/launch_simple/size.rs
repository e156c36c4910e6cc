//! Sizes as Longhorn's command lines have them: `42kb`, `42mb`, `1g` count in 1024.

use aurochs_api::size::ByteSize;

/// Reads bytes, or a number with a unit in any case, with or without `i` and `b`.
pub(super) fn parse(text: &str) -> Result<ByteSize, String> {
    let wrong =
        || format!("{text:?} is not a size; give bytes, or a number with k, m, g or t such as 42mb, 1g or 10Gi");
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = match unit.strip_suffix('i').unwrap_or(unit) {
        "" if unit.is_empty() => "",
        "k" => "Ki",
        "m" => "Mi",
        "g" => "Gi",
        "t" => "Ti",
        "p" => "Pi",
        "e" => "Ei",
        _ => return Err(wrong()),
    };
    format!("{number}{unit}").parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_unit_counts_in_1024() {
        for (text, bytes) in [
            ("42kb", 42 << 10),
            ("42mb", 42 << 20),
            ("1g", 1 << 30),
            ("1G", 1 << 30),
            ("10Gi", 10 << 30),
            ("2 TiB", 2 << 40),
            ("1.5m", 3 << 19),
            ("4096", 4096),
            ("4096b", 4096),
        ] {
            assert_eq!(parse(text).unwrap().bytes(), bytes, "{text}");
        }
        for text in ["", "g", "1x", "-1g", "1ii", "1i", "99999999999g"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
