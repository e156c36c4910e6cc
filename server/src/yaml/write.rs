//! Values as YAML.

use std::fmt::Write as _;

use serde_json::Value;

/// The text, which ends with a line's end.
#[must_use]
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => mapping(&mut text, fields, 0),
        Value::Array(items) if !items.is_empty() => sequence(&mut text, items, 0),
        leaf => {
            scalar(&mut text, leaf);
            text.push('\n');
        }
    }
    text
}

fn mapping(text: &mut String, fields: &serde_json::Map<String, Value>, depth: usize) {
    let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    for (place, (key, value)) in sorted.into_iter().enumerate() {
        // The first one stands behind what led here: the dash of an item.
        if place > 0 || !text.ends_with("- ") {
            indent(text, depth);
        }
        string(text, key);
        text.push(':');
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                text.push('\n');
                mapping(text, fields, depth + 1);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                sequence(text, items, depth);
            }
            leaf => {
                text.push(' ');
                scalar(text, leaf);
                text.push('\n');
            }
        }
    }
}

fn sequence(text: &mut String, items: &[Value], depth: usize) {
    for (place, item) in items.iter().enumerate() {
        if place > 0 || !text.ends_with("- ") {
            indent(text, depth);
        }
        text.push_str("- ");
        match item {
            Value::Object(fields) if !fields.is_empty() => mapping(text, fields, depth + 1),
            Value::Array(items) if !items.is_empty() => sequence(text, items, depth + 1),
            leaf => {
                scalar(text, leaf);
                text.push('\n');
            }
        }
    }
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n("  ", depth));
}

fn scalar(text: &mut String, value: &Value) {
    match value {
        Value::String(said) => string(text, said),
        Value::Array(_) => text.push_str("[]"),
        Value::Object(_) => text.push_str("{}"),
        // As JSON writes them.
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

/// Words that some reader takes for a truth value or for nothing.
const TAKEN: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan"];

/// Plain where nobody can take it for something else; in JSON's quotes otherwise, which are YAML's.
fn string(text: &mut String, said: &str) {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let is_plain = said.starts_with(|c: char| c.is_ascii_alphabetic())
        && said.chars().all(is_inner)
        && !TAKEN.iter().any(|taken| said.eq_ignore_ascii_case(taken));
    if is_plain {
        return text.push_str(said);
    }
    for c in Value::from(said).to_string().chars() {
        // Not printable for YAML, and let through by JSON.
        if matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_form_is_kubernetes() {
        let value = json!({
            "kind": "VolumeList",
            "apiVersion": "longhorn.io/v1beta2",
            "metadata": {"resourceVersion": ""},
            "items": [
                {"spec": {"size": "1073741824", "numberOfReplicas": 3, "diskSelector": ["ssd"], "Standby": false}},
                {"spec": {"diskSelector": []}, "status": {}},
            ],
        });
        let text = "apiVersion: longhorn.io/v1beta2
items:
- spec:
    Standby: false
    diskSelector:
    - ssd
    numberOfReplicas: 3
    size: \"1073741824\"
- spec:
    diskSelector: []
  status: {}
kind: VolumeList
metadata:
  resourceVersion: \"\"
";
        assert_eq!(write(&value), text);
    }
}
