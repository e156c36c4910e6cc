//! The reasons against the code: each is emitted somewhere, or it is said here what would have to be there for it.

use std::collections::BTreeSet;
use std::path::Path;

/// Reasons that nothing emits, and what they are of.
const NOT_EMITTED: &[(&str, &str)] = &[
    ("DegradedReadEIO", "the v2 data engine"),
    ("FailedSwitchover", "the v2 data engine"),
    ("FailedUpgradePostCheck", "Longhorn's upgrader"),
    ("FailedUpgradePreCheck", "Longhorn's upgrader"),
    ("Fetching", "nothing: a system backup is fetched in a moment, and is told as `Fetched`"),
    ("MigrationFailed", "live migration"),
    ("PassedUpgradeCheck", "Longhorn's upgrader"),
    ("ShardFailed", "the v2 data engine"),
    ("StaleInstance", "nothing: a process that no resource names is an orphan, and is told as `Orphaned`"),
    ("Switchover", "the v2 data engine"),
    ("Synced", "backups"),
    ("Syncing", "backups"),
    ("Upgrade", "live upgrade"),
];

/// Every word after `Reason::` in code outside of this module and of tests.
fn emitted() -> BTreeSet<String> {
    let (mut found, mut directories) = (BTreeSet::new(), vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                directories.extend((name != "events").then_some(path));
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let words = code.split("Reason::").skip(1);
                found
                    .extend(words.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>()));
            }
        }
    }
    found
}

/// behaviour.md §17.
#[test]
fn every_reason_is_emitted_or_it_is_said_why_not() {
    let emitted = emitted();
    let known = include_str!("reason.rs").split("Self::").skip(1);
    let known: BTreeSet<String> =
        known.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect()).collect();
    assert!(known.len() > 50, "{known:?}");
    for reason in &known {
        let listed = NOT_EMITTED.iter().any(|(name, _)| name == reason);
        assert!(emitted.contains(reason) || listed, "{reason} is never emitted");
        assert!(!emitted.contains(reason) || !listed, "{reason} is emitted: take it off the list");
    }
    assert!(NOT_EMITTED.is_sorted() && NOT_EMITTED.iter().all(|(name, _)| known.contains(*name)));
}
