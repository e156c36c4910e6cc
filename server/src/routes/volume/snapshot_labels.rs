//! The labels that somebody wants on a snapshot.

use std::collections::BTreeMap;

use aurochs_engine::volume::snapshot_labels;

use super::action::invalid;
use crate::error::ApiError;
use crate::resources::snapshot::LABEL_TAKEN_FOR;

/// More, or longer, make a resource that nobody can read.
const LABELS_MAXIMUM: usize = 100;
const VALUE_BYTES_MAXIMUM: usize = 16 << 10;

/// Keys are Kubernetes label keys; values are the user's, JSON too.
pub(crate) fn check(labels: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if labels.len() > LABELS_MAXIMUM {
        let message = format_args!("a snapshot has at most {LABELS_MAXIMUM} labels, not {}", labels.len());
        return Err(invalid(message, "Leave some out."));
    }
    if let Some((key, value)) = labels.iter().find(|(_, value)| value.len() > VALUE_BYTES_MAXIMUM) {
        let message =
            format_args!("the label {key:?} has {} bytes; at most {VALUE_BYTES_MAXIMUM} are kept", value.len());
        return Err(invalid(message, "Make it shorter."));
    }
    if labels.contains_key(LABEL_TAKEN_FOR) {
        return Err(invalid(
            format_args!("the label {LABEL_TAKEN_FOR} is written by the manager itself"),
            "Leave it out.",
        ));
    }
    snapshot_labels::check(labels).map_err(|error| invalid(error, "Correct the label, or leave it out."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_snapshots() {
        let one = |key: &str, value: String| BTreeMap::from([(key.to_owned(), value)]);
        check(&one("example.com/app", "{\"a\": 1}".into())).unwrap();
        let many = (0..=LABELS_MAXIMUM).map(|at| (format!("k{at}"), "v".to_owned())).collect();
        for bad in [
            one("a b", "v".into()),
            one("a", String::new()),
            one("a", "x".repeat(VALUE_BYTES_MAXIMUM + 1)),
            one(LABEL_TAKEN_FOR, "uid".into()),
            many,
        ] {
            assert!(!check(&bad).unwrap_err().next_step.is_empty());
        }
    }
}
