//! The table against the code: a setting that says it acts has a reader, one that says it does not has none.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Acts, all};

/// Where each setting is named in code: outside of this module, comments and tests.
fn readers() -> BTreeMap<String, Vec<String>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut directories) = (BTreeMap::<_, Vec<_>>::new(), vec![sources.clone()]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let inside = path.strip_prefix(&sources).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                // The table itself, and what is written without being read.
                if inside != "settings" && inside != "controllers/setting" {
                    directories.push(path);
                }
            } else if inside.ends_with(".rs") && !inside.ends_with("tests.rs") {
                for name in names_in(&std::fs::read_to_string(&path).unwrap()) {
                    found.entry(name).or_default().push(inside.clone());
                }
            }
        }
    }
    found
}

/// The variants of `Name` in a file, up to its tests.
fn names_in(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut names = Vec::new();
    for line in lines {
        for rest in line.split("Name::").skip(1) {
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            names.push(name);
        }
    }
    names
}

#[test]
fn what_a_setting_says_is_done() {
    let readers = readers();
    for row in all() {
        let read_in = readers.get(&format!("{:?}", row.name));
        match row.acts {
            Acts::Now | Acts::Default | Acts::InKubernetes => {
                assert!(read_in.is_some(), "{:?} acts, but nothing reads it", row.name);
            }
            Acts::Later(_) => {
                assert_eq!(read_in, None, "{:?} is read: take its `later` away", row.name);
            }
            Acts::Tells => {}
        }
    }
}
