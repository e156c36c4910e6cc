//! Sizes as people give them to benchmarks.

/// Bytes of `256M`, `2G`, or a plain number; refused unless it is a positive multiple of so many MiB.
pub(crate) fn bytes(text: &str, step_mebibytes: u64) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|error| format!("{text:?} is no size such as 256M or 2G: {error}"))?;
    if number == 0 || !(number << shift).is_multiple_of(step_mebibytes << 20) {
        return Err(format!("{text:?} is no multiple of {step_mebibytes} MiB"));
    }
    Ok(number << shift)
}
