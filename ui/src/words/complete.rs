//! Every text of the dashboard has its Chinese: the sources are searched for what goes through [`super::tr`],
//! [`super::fill`], [`super::label`] and [`super::count`], and for texts in the tables of data whose component
//! translates them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Functions whose texts are keys.
const FUNCTIONS: [&str; 4] = ["tr(", "fill(", "label(", "count("];
/// Before a text that a component translates.
const MARKS: [&str; 8] = ["label: ", "answer: ", "caption: ", "caption=", "answer=", "title=", "search: ", "label="];
/// Builders of fields: whether the first text is a key of JSON.
const BUILDERS: [(&str, bool); 12] = [
    ("Field::text(", true),
    ("Field::number(", true),
    ("Field::size(", true),
    ("Field::select(", true),
    ("Field::toggle(", true),
    ("Field::tags(", true),
    ("Field::labels(", true),
    ("Field::area(", true),
    ("Field::secret(", true),
    ("Field::cron(", true),
    ("Field::heading(", false),
    (".hint(", false),
];

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(super) fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("words/complete.rs")
            && !path.ends_with("words/served.rs")
        {
            found.push(path);
        }
    }
}

/// The file without its tests and comments.
pub(super) fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A literal at the start of the text: what it says, and how many bytes it takes.
pub(super) fn literal(text: &str) -> Option<(String, usize)> {
    let inside = text.strip_prefix('"')?;
    let mut said = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((said, at + 2)),
            '\\' => match characters.next()?.1 {
                'n' => said.push('\n'),
                // A line that goes on below: its indentation is no part of it.
                '\n' => {
                    let rest = &inside[at + 2..];
                    let skipped = rest.len() - rest.trim_start().len();
                    for _ in 0..rest[..skipped].chars().count() {
                        characters.next();
                    }
                }
                other => said.push(other),
            },
            other => said.push(other),
        }
    }
    None
}

/// The literals that stand directly in the call that begins here: not in calls and lists within it, and no patterns of a
/// match.
fn literals(call: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut depth, mut at) = (1, 0);
    while depth > 0 {
        let Some(character) = call[at..].chars().next() else { break };
        if character == '"' {
            let Some((said, length)) = literal(&call[at..]) else { break };
            at += length;
            let after = call[at..].trim_start();
            if depth == 1 && !after.starts_with("=>") && !after.starts_with('|') {
                found.push(said);
            }
            continue;
        }
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        at += character.len_utf8();
    }
    found
}

/// Where `what` stands as a word of its own; the rest behind it.
fn behind<'a>(code: &'a str, what: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(what).filter_map(move |(at, _)| {
        let before = code[..at].chars().next_back();
        let own = !before.is_some_and(|before| before.is_alphanumeric() || before == '_') || what.starts_with('.');
        own.then(|| &code[at + what.len()..])
    })
}

fn keys(code: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for function in FUNCTIONS {
        for call in behind(code, function) {
            let found = literals(call);
            // The noun that is counted stands last.
            keys.extend(if function == "count(" { found.into_iter().next_back().into_iter().collect() } else { found });
        }
    }
    for mark in MARKS {
        keys.extend(behind(code, mark).filter_map(literal).map(|(said, _)| said));
    }
    for (builder, has_key) in BUILDERS {
        for call in behind(code, builder) {
            keys.extend(literals(call).into_iter().nth(usize::from(has_key)));
        }
    }
    // Marks and figures are the same everywhere.
    keys.retain(|key| key.chars().any(|character| character.is_ascii_alphabetic()) || key == ", ");
    keys
}

pub(super) fn words() -> BTreeMap<String, Vec<(String, String)>> {
    let mut all: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for entry in fs::read_dir(root().join("assets/words/zh")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let words: BTreeMap<String, String> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for (english, chinese) in words {
            all.entry(english).or_default().push((file.clone(), chinese));
        }
    }
    all
}

#[test]
fn every_text_has_its_chinese() {
    let words = words();
    let mut files = Vec::new();
    sources(&root().join("ui/src"), &mut files);
    let mut missing = Vec::new();
    for path in files {
        for key in keys(&code(&path)) {
            if !words.contains_key(&key) {
                missing.push(format!("{}: {key:?}", path.strip_prefix(root().join("ui/src")).unwrap().display()));
            }
        }
    }
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "{} texts are not in assets/words/zh/*.json:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn files_of_words_agree_and_keep_the_places() {
    for (english, found) in words() {
        let (_, first) = &found[0];
        assert!(found.iter().all(|(_, chinese)| chinese == first), "{english:?} is translated in two ways: {found:?}");
        let places = |text: &str| text.matches('{').count();
        assert_eq!(places(&english), places(first), "the places of {english:?} in {first:?}");
        assert!(!first.is_empty(), "{english:?}");
    }
}

#[test]
fn what_is_found_in_code() {
    let code = r#"
        view! { <p title=tr("A")>{fill("{} of b", &[&tr("C"), &"no"])}</p> }
        tr(match of.text("state") { "x" | "y" => "D", _ => "E" })
        Column { key: "no", label: "F" } words::count(names.len(), "volume")
        Field::number("no", "G", 0, 5).hint("H \
            goes on") attr("no") tr("{} {}")
    "#;
    let mut found = keys(code);
    found.sort();
    assert_eq!(found, ["A", "C", "D", "E", "F", "G", "H goes on", "volume", "{} of b"]);
}
