//! Which volumes a list shows, and in which order.

use std::cmp::Ordering;

use aurochs_api::volume::Volume;

use super::phase::{Group, Phase};
use super::{replicas, time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortKey {
    State,
    Name,
    Size,
    ActualSize,
    Node,
    Replicas,
    Created,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) key: SortKey,
    pub(crate) descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self { key: SortKey::Name, descending: false }
    }
}

impl Sort {
    /// The same column again turns the order round.
    pub(crate) fn by(self, key: SortKey) -> Self {
        Self { key, descending: self.key == key && !self.descending }
    }
}

/// Whether a volume is in the list.
pub(crate) fn matches(volume: &Volume, group: Option<Group>, text: &str) -> bool {
    let text = text.trim().to_lowercase();
    group.is_none_or(|group| Phase::of(volume).group() == group) && (text.is_empty() || volume.name.contains(&text))
}

/// Order of two volumes; equal ones stand in the order of their names, so that a list never shuffles by itself.
pub(crate) fn order(sort: Sort, a: &Volume, b: &Volume) -> Ordering {
    let by_key = match sort.key {
        SortKey::State => Phase::of(a).rank().cmp(&Phase::of(b).rank()),
        SortKey::Name => natural(&a.name, &b.name),
        SortKey::Size => a.size.cmp(&b.size),
        SortKey::ActualSize => a.actual_size().cmp(&b.actual_size()),
        SortKey::Node => natural(a.node(), b.node()),
        SortKey::Replicas => replicas::usable(a).cmp(&replicas::usable(b)),
        SortKey::Created => time::parse(&a.created).cmp(&time::parse(&b.created)),
    };
    let by_key = if sort.descending { by_key.reverse() } else { by_key };
    by_key.then_with(|| natural(&a.name, &b.name))
}

/// `disk-2` before `disk-10`: runs of digits compare as numbers.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    while let (Some(a_first), Some(b_first)) = (a_rest.chars().next(), b_rest.chars().next()) {
        if a_first.is_ascii_digit() && b_first.is_ascii_digit() {
            let (a_number, a_after) = digits(a_rest);
            let (b_number, b_after) = digits(b_rest);
            // Without leading zeros the longer number is the larger one.
            let by_number = a_number.len().cmp(&b_number.len()).then_with(|| a_number.cmp(b_number));
            if by_number != Ordering::Equal {
                return by_number;
            }
            (a_rest, b_rest) = (a_after, b_after);
        } else if a_first == b_first {
            (a_rest, b_rest) = (&a_rest[a_first.len_utf8()..], &b_rest[b_first.len_utf8()..]);
        } else {
            return a_first.cmp(&b_first);
        }
    }
    a_rest.len().cmp(&b_rest.len()).then_with(|| a.cmp(b))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

#[cfg(test)]
mod tests {
    use aurochs_api::size::ByteSize;
    use aurochs_api::volume::{Robustness, VolumeState};

    use super::*;

    #[test]
    fn numbers_in_names() {
        let mut names = ["pvc-10", "pvc-9", "pvc-009b", "a", "pvc-1", ""];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "a", "pvc-1", "pvc-9", "pvc-009b", "pvc-10"]);
    }

    #[test]
    fn descending_keeps_names_ascending_among_equals() {
        let volume = |name: &str, size: u64| Volume { name: name.into(), size: ByteSize(size), ..Volume::default() };
        let mut volumes = [volume("b", 1), volume("a", 1), volume("c", 2)];
        let sort = Sort::default().by(SortKey::Size).by(SortKey::Size);
        assert!(sort.descending);
        volumes.sort_by(|a, b| order(sort, a, b));
        let names: Vec<&str> = volumes.iter().map(|volume| volume.name.as_str()).collect();
        assert_eq!(names, ["c", "a", "b"]);
    }

    #[test]
    fn filter_by_group_and_text() {
        let volume = Volume {
            name: "mysql-data".into(),
            state: VolumeState::Attached,
            robustness: Robustness::Healthy,
            ..Volume::default()
        };
        assert!(matches(&volume, None, ""));
        assert!(matches(&volume, Some(Group::Healthy), " SQL "));
        assert!(!matches(&volume, Some(Group::Faulted), ""));
        assert!(!matches(&volume, None, "postgres"));
    }
}
