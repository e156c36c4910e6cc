//! What a user's snapshot may be labelled with: Longhorn's clients put the labels into Kubernetes objects.

use std::collections::{BTreeMap, HashMap};

use super::barrier::OperationError;

/// Longest name, and longest part of a prefix, of a Kubernetes label key.
const NAME_MAXIMUM: usize = 63;
/// Longest prefix of a Kubernetes label key: a DNS name.
const PREFIX_MAXIMUM: usize = 253;
/// Most bytes of all labels of a snapshot, keys and values. Every status of an engine holds the labels of all its
/// snapshots, so the most snapshots that a volume may have (250) with the most labels stay at 2 MiB.
pub const LABEL_BYTES_MAXIMUM: usize = 8 << 10;

/// Checks that keys are Kubernetes qualified names (`[prefix/]name`), values are not empty, and all together are not
/// too long; whatever else a value holds is the user's (JSON is common).
///
/// # Errors
/// [`OperationError::Refused`] with the first label that is wrong.
pub fn check(labels: &BTreeMap<String, String>) -> Result<(), OperationError> {
    let bytes: usize = labels.iter().map(bytes_of).sum();
    if bytes > LABEL_BYTES_MAXIMUM {
        return Err(OperationError::Refused(format!(
            "the labels of the snapshot have {bytes} bytes, keys and values together, and at most \
             {LABEL_BYTES_MAXIMUM} are kept; shorten them or leave some out"
        )));
    }
    for (key, value) in labels {
        if let Err(why) = check_key(key) {
            return Err(OperationError::Refused(format!(
                "{key:?} cannot be the key of a snapshot's label: {why}; use a Kubernetes label key such as \
                 \"app\" or \"example.com/app\""
            )));
        }
        if value.is_empty() {
            return Err(OperationError::Refused(format!("label {key:?} of the snapshot has no value; give it one")));
        }
    }
    Ok(())
}

/// What is told of labels that lie on a disk: as many, by key, as the limit has room for. Replicas that were written by
/// others, or before there was a limit, may hold any number, and a status that nobody can receive puts the volume out of
/// reach.
pub(crate) fn shown(labels: &BTreeMap<String, String>) -> HashMap<String, String> {
    let mut room = LABEL_BYTES_MAXIMUM;
    let fits = labels.iter().filter(|label| match room.checked_sub(bytes_of(*label)) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    });
    fits.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn bytes_of((key, value): (&String, &String)) -> usize {
    key.len() + value.len()
}

fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix {
        check_prefix(prefix)?;
    }
    if name.is_empty() || name.len() > NAME_MAXIMUM {
        return Err(format!("its name has {} characters, and 1 to {NAME_MAXIMUM} are allowed", name.len()));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        return Err("its name may hold letters, digits, '-', '_' and '.'".to_owned());
    }
    if !has_alphanumeric_ends(name) {
        return Err("its name has to begin and end with a letter or digit".to_owned());
    }
    Ok(())
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    let is_part = |part: &str| {
        (1..=NAME_MAXIMUM).contains(&part.len())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && has_alphanumeric_ends(part)
    };
    if prefix.len() > PREFIX_MAXIMUM || !prefix.split('.').all(is_part) {
        return Err(format!("its prefix {prefix:?} is no DNS name in lower case"));
    }
    Ok(())
}

fn has_alphanumeric_ends(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, value: &str) -> Result<(), OperationError> {
        check(&BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    #[test]
    fn kubernetes_keys_pass_with_any_value_but_none() {
        for key in ["a", "RecurringJob", "KubernetesStatus", "longhorn.io/x_y.z-1", "9.a-b.c/0", &"x".repeat(63)] {
            assert!(with(key, "{\"pvName\":\"\"}").is_ok(), "{key}");
        }
        assert!(with("a", "").unwrap_err().to_string().contains("\"a\""));
    }

    #[test]
    fn all_labels_together_have_a_limit_and_what_is_told_keeps_it() {
        let with = |count: usize| -> BTreeMap<String, String> {
            (0..count).map(|at| (format!("label-{at}"), "x".repeat(1017))).collect()
        };
        assert!(check(&with(8)).is_ok());
        let said = check(&with(9)).unwrap_err().to_string();
        assert!(said.contains("9216") && said.contains("8192"), "{said}");
        assert_eq!(shown(&with(8)).len(), 8);
        let mut found = with(9);
        found.insert("a-huge-one".to_owned(), "x".repeat(1 << 20));
        assert_eq!(shown(&found), with(8).into_iter().collect(), "whole labels, and as many as fit");
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for key in ["", "-a", "a.", "a b", "ä", "/a", "A/b", "a_b/c", "a..b/c", "a/", "a/b/c", &"x".repeat(64)] {
            let said = with(key, "v").unwrap_err().to_string();
            assert!(said.contains(&format!("{key:?}")), "{said}");
        }
    }
}
