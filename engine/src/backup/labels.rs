//! Labels of backups, bounded: whoever shows a store shows what anybody put there, and keeps it.

use std::collections::BTreeMap;

use super::BackupError;

/// Most bytes of all labels of one record, keys and values: as many as Kubernetes has for an object's annotations, which is
/// where they come from.
pub const LABEL_BYTES_MAXIMUM: usize = 256 << 10;

/// Refuses more than a record is to have.
///
/// # Errors
/// [`BackupError::Labels`].
pub(super) fn check(labels: &BTreeMap<String, String>) -> Result<(), BackupError> {
    let bytes: usize = labels.iter().map(bytes_of).sum();
    if bytes <= LABEL_BYTES_MAXIMUM {
        return Ok(());
    }
    Err(BackupError::Labels { bytes, maximum: LABEL_BYTES_MAXIMUM })
}

/// What is told of a record's labels: as many, by key, as there is room for. The backup can be restored without the others.
#[must_use]
pub fn shown(labels: Option<BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut room = LABEL_BYTES_MAXIMUM;
    let mut labels = labels.unwrap_or_default();
    labels.retain(|key, value| match room.checked_sub(bytes_of((key, value))) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    });
    labels
}

fn bytes_of<'a>((key, value): (&'a String, &'a String)) -> usize {
    key.len() + value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused_and_not_shown() {
        let small = BTreeMap::from([("app".to_owned(), "db".to_owned()), ("zone".to_owned(), "a".to_owned())]);
        check(&small).unwrap();
        assert_eq!(shown(Some(small.clone())), small);
        let mut large = small.clone();
        large.insert("big".to_owned(), "x".repeat(LABEL_BYTES_MAXIMUM));
        let refused = check(&large).unwrap_err();
        assert!(matches!(refused, BackupError::Labels { .. }), "{refused}");
        assert_eq!(shown(Some(large)), small, "the others are shown");
        assert!(shown(None).is_empty());
    }
}
