//! What was typed, as JSON, or what is wrong with it.

use aurochs_api::size::{ByteSize, GIB, MIB, TIB};
use serde_json::{Map, Value};

use super::field::Shape;
use crate::words::{fill, tr};

/// Units of a size: the word in the field and its bytes.
pub(super) const UNITS: [(&str, u64); 3] = [("MiB", MIB), ("GiB", GIB), ("TiB", TIB)];

/// The value of what stands in a field that is no flag and no file. Nothing typed is null, and no fault.
pub(super) fn read(shape: &Shape, text: &str, unit: &str) -> Result<Value, String> {
    let typed = text.trim();
    match shape {
        Shape::Text | Shape::Select(_) | Shape::Cron => Ok(typed.into()),
        // Spaces at the end may be meant.
        Shape::Area | Shape::Secret => Ok(text.into()),
        Shape::Number { min, max } => number(typed, *min, *max),
        Shape::Size => size(typed, unit),
        Shape::Tags => Ok(words(text).map(Value::from).collect()),
        Shape::Labels => labels(text),
        Shape::Toggle | Shape::File | Shape::Heading => Ok(Value::Null),
    }
}

fn number(typed: &str, min: i64, max: i64) -> Result<Value, String> {
    if typed.is_empty() {
        return Ok(Value::Null);
    }
    match typed.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number.into()),
        _ if max == i64::MAX => Err(fill("Give a whole number, {} or more.", &[&min])),
        _ => Err(fill("Give a whole number from {} to {}.", &[&min, &max])),
    }
}

fn size(typed: &str, unit: &str) -> Result<Value, String> {
    if typed.is_empty() {
        return Ok(Value::Null);
    }
    let scale = UNITS.iter().find(|(name, _)| *name == unit).map_or(GIB, |(_, scale)| *scale);
    let number: f64 = typed.replace(',', ".").parse().map_err(|_| tr("Give a number.").to_owned())?;
    #[expect(clippy::cast_precision_loss, reason = "only the order of magnitude counts")]
    let bytes = number * scale as f64;
    if !bytes.is_finite() || bytes < 0.0 || bytes > 2f64.powi(60) {
        return Err(tr("That is no size that a disk can have.").to_owned());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and 2^60")]
    let bytes = bytes.round() as u64;
    Ok(bytes.to_string().into())
}

/// Words with commas, spaces or new lines between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty())
}

fn labels(text: &str) -> Result<Value, String> {
    let mut pairs = Map::new();
    for line in text.split([',', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        let Some((key, value)) = line.split_once(['=', ':']).filter(|(key, _)| !key.trim().is_empty()) else {
            return Err(fill("Write each label as key=value; {} is none.", &[&line]));
        };
        pairs.insert(key.trim().to_owned(), value.trim().into());
    }
    Ok(Value::Object(pairs))
}

/// What stands in a field for a value: text and unit.
pub(super) fn shown(shape: &Shape, value: &Value) -> (String, &'static str) {
    let text = match (shape, value) {
        (Shape::Size, value) => {
            let bytes = value.as_u64().or_else(|| value.as_str()?.parse().ok());
            return bytes.map_or((String::new(), "GiB"), |bytes| in_unit(ByteSize(bytes)));
        }
        (Shape::Tags, Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        (Shape::Labels, Value::Object(pairs)) => {
            let line = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
            pairs.iter().map(line).collect::<Vec<_>>().join("\n")
        }
        (Shape::Select(choices), Value::Null) => choices.first().map(|(word, _)| word.clone()).unwrap_or_default(),
        (_, Value::String(text)) => text.clone(),
        (_, Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    (text, "GiB")
}

/// The largest unit in which it is a whole number, else the smallest with a fraction.
fn in_unit(size: ByteSize) -> (String, &'static str) {
    let whole = UNITS.iter().rev().find(|(_, scale)| size.bytes() > 0 && size.bytes().is_multiple_of(*scale));
    match whole {
        Some((unit, scale)) => ((size.bytes() / scale).to_string(), *unit),
        #[expect(clippy::cast_precision_loss, reason = "shown with a few digits; what is not changed is not read back")]
        None => ((size.bytes() as f64 / MIB as f64).to_string(), "MiB"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_typed_is_read_and_shown_again() {
        for (shape, typed, unit, value) in [
            (Shape::Text, " a ", "", json!("a")),
            (Shape::Number { min: 0, max: 5 }, "5", "", json!(5)),
            (Shape::Number { min: 0, max: 5 }, "", "", json!(null)),
            (Shape::Size, "1.5", "GiB", json!("1610612736")),
            (Shape::Tags, "ssd, fast\nx", "", json!(["ssd", "fast", "x"])),
            (Shape::Labels, "a=1\nb: 2, c=", "", json!({"a": "1", "b": "2", "c": ""})),
        ] {
            assert_eq!(read(&shape, typed, unit), Ok(value), "{typed}");
        }
        for (shape, typed) in [
            (Shape::Number { min: 1, max: 5 }, "0"),
            (Shape::Number { min: 1, max: 5 }, "x"),
            (Shape::Size, "-1"),
            (Shape::Size, "1e30"),
            (Shape::Labels, "a"),
            (Shape::Labels, "=1"),
        ] {
            assert!(read(&shape, typed, "GiB").is_err(), "{typed}");
        }
        assert_eq!(shown(&Shape::Size, &json!("21474836480")), ("20".to_owned(), "GiB"));
        assert_eq!(shown(&Shape::Size, &json!(1_610_612_736_u64)), ("1536".to_owned(), "MiB"));
        assert_eq!(shown(&Shape::Labels, &json!({"a": "1"})).0, "a=1");
        assert_eq!(shown(&Shape::Select(vec![("x".into(), "X".into())]), &Value::Null).0, "x");
    }
}
