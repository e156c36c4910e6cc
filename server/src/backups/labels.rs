//! Labels that somebody wants on a backup.

use std::collections::BTreeMap;

use aurochs_engine::volume::snapshot_labels;

use crate::resources::backup::{LABEL_ACCESS_MODE, LABEL_BASE_IMAGE, LABEL_KUBERNETES_STATUS, LABEL_RECURRING_JOBS};

/// Those that the manager writes.
const RESERVED: [&str; 4] = [LABEL_KUBERNETES_STATUS, LABEL_BASE_IMAGE, LABEL_ACCESS_MODE, LABEL_RECURRING_JOBS];
/// More make a record that nobody can read.
const LABELS_MAXIMUM: usize = 100;

/// Keys are Kubernetes label keys, values are not empty, and the manager's own keys are its own.
pub fn check(labels: &BTreeMap<String, String>) -> Result<(), String> {
    if labels.len() > LABELS_MAXIMUM {
        return Err(format!("a backup has at most {LABELS_MAXIMUM} labels, not {}", labels.len()));
    }
    if let Some(reserved) = RESERVED.iter().find(|reserved| labels.contains_key(**reserved)) {
        return Err(format!("the label {reserved} is written by the manager itself"));
    }
    snapshot_labels::check(labels).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_backups() {
        let one = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        check(&one("example.com/app", "db")).unwrap();
        for (key, value) in [("KubernetesStatus", "{}"), ("ranchervm-base-image", "x"), ("a b", "x"), ("a", "")] {
            assert!(check(&one(key, value)).is_err(), "{key}={value}");
        }
    }
}
