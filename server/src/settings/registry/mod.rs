//! The table of settings: Longhorn's names, types, ranges and defaults, a file for each category, and those that only we
//! have ([`ours`]).
//!
//! Every row says what it does in this version. One whose feature is missing stays in the table, so that clients and
//! manifests find it, and refuses a change by the feature's name. A row that gets its reader loses its `later`.

mod backup;
mod danger_zone;
mod general;
mod kubernetes;
mod name;
mod orphan;
mod ours;
mod scheduling;
mod snapshot;
mod system_info;

use std::sync::LazyLock;

use super::definition::{Category, Definition};

pub use name::Name;

const TABLES: [(Category, &[Definition]); 9] = [
    (Category::Backup, backup::ROWS),
    (Category::DangerZone, danger_zone::ROWS),
    (Category::General, general::ROWS),
    (Category::General, kubernetes::ROWS),
    (Category::General, ours::ROWS),
    (Category::Orphan, orphan::ROWS),
    (Category::Scheduling, scheduling::ROWS),
    (Category::Snapshot, snapshot::ROWS),
    (Category::SystemInfo, system_info::ROWS),
];

/// All settings, in the order of their names.
#[must_use]
pub fn all() -> &'static [Definition] {
    static ALL: LazyLock<Vec<Definition>> = LazyLock::new(|| {
        let of_table = |(category, rows): (Category, &'static [Definition])| {
            rows.iter().map(move |row| Definition { category, ..*row })
        };
        let mut all: Vec<Definition> = TABLES.into_iter().flat_map(of_table).collect();
        all.sort_by_key(|row| row.name);
        all
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_row_at_its_place() {
        let names: Vec<Name> = all().iter().map(|row| row.name).collect();
        assert_eq!(names, Name::ALL);
        assert!(Name::ALL.is_sorted_by_key(|name| name.word()));
        for &name in Name::ALL {
            assert_eq!((Name::of_word(name.word()), name.definition().name), (Some(name), name));
        }
        assert_eq!(Name::of_word("no-such"), None);
    }
}
