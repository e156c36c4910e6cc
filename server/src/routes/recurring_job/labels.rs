//! What Kubernetes takes as a label: jobs put theirs on what they make.

use std::collections::BTreeMap;

use crate::error::{ApiError, ErrorKind};

/// More of them are of no use to anybody.
const MAXIMUM: usize = 64;
/// Longest name of a label, and longest value.
const PART_LENGTH_MAXIMUM: usize = 63;
/// Longest domain before a label's name.
const PREFIX_LENGTH_MAXIMUM: usize = 253;

/// Fails with the first label that can't be one.
pub fn check(labels: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if labels.len() > MAXIMUM {
        let message = format_args!("{} labels are too many", labels.len());
        return Err(ApiError::new(ErrorKind::Invalid, message, format_args!("Give at most {MAXIMUM}.")));
    }
    for (key, value) in labels {
        if !is_key(key) {
            let message = format_args!("{key:?} is no name of a label");
            let next_step =
                "Use up to 63 letters, digits, '-', '_' and '.', with a domain and '/' before it if need be.";
            return Err(ApiError::new(ErrorKind::Invalid, message, next_step));
        }
        if !value.is_empty() && !is_part(value) {
            let message = format_args!("the label {key} can't have the value {value:?}");
            let next_step =
                "Use up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit.";
            return Err(ApiError::new(ErrorKind::Invalid, message, next_step));
        }
    }
    Ok(())
}

fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_part(key),
        Some((domain, name)) => {
            let is_domain = |label: &str| is_part(label) && !label.contains(['_', '.']);
            domain.len() <= PREFIX_LENGTH_MAXIMUM && domain.split('.').all(is_domain) && is_part(name)
        }
    }
}

fn is_part(part: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| edge(c) || matches!(c, '-' | '_' | '.');
    part.len() <= PART_LENGTH_MAXIMUM && part.starts_with(edge) && part.ends_with(edge) && part.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_kubernetes() {
        for (key, value) in [("app", "db"), ("example.org/app", ""), ("a", "A-b_c.9"), ("longhorn.io/x", "1")] {
            assert!(check(&[(key.to_owned(), value.to_owned())].into()).is_ok(), "{key}={value}");
        }
        let long = "a".repeat(64);
        for (key, value) in
            [("", "a"), ("a/b/c", ""), ("/a", ""), ("a/", ""), ("-a", ""), ("a", "ä"), ("a", "b "), (&long, "")]
        {
            assert!(check(&[(key.to_owned(), value.to_owned())].into()).is_err(), "{key}={value}");
        }
    }
}
