//! The labels that somebody wants on a snapshot.

use std::collections::BTreeMap;

use aurochs_engine::volume::snapshot_labels;

use super::action::invalid;
use crate::error::ApiError;
use crate::resources::snapshot::LABEL_TAKEN_FOR;

/// More make a resource that nobody can read.
const LABELS_MAXIMUM: usize = 100;

/// Keys are Kubernetes label keys; values are the user's, JSON too. The engine has a limit of their bytes.
pub(crate) fn check(labels: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if labels.len() > LABELS_MAXIMUM {
        let message = format_args!("a snapshot has at most {LABELS_MAXIMUM} labels, not {}", labels.len());
        return Err(invalid(message, "Leave some out."));
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
            one("a", "x".repeat(snapshot_labels::LABEL_BYTES_MAXIMUM)),
            one(LABEL_TAKEN_FOR, "uid".into()),
            many,
        ] {
            assert!(!check(&bad).unwrap_err().next_step.is_empty());
        }
    }
}
