//! Every text of the manager that people read has its Chinese: the sources that build causes, conditions, events, jobs,
//! consequences, settings, checks of the environment and refusals are searched for their sentences.

use std::fs;
use std::path::PathBuf;

use super::complete::{code, literal, root, sources, words};

/// Where such texts are written. The command line and the log of the process speak English; what an engine tells of its
/// own stays so within the sentence.
const PLACES: [&str; 19] = [
    "engine/src/instance/environment",
    "server/src/backups",
    "server/src/controllers",
    "server/src/environment",
    "server/src/error.rs",
    "server/src/events",
    "server/src/feature.rs",
    "server/src/files",
    "server/src/instance",
    "server/src/jobs",
    "server/src/notifications",
    "server/src/recurring",
    "server/src/routes",
    "server/src/scheduling",
    "server/src/settings",
    "server/src/support_bundle",
    "server/src/system",
    "server/src/view",
    "server/src/whatif",
];
/// Queries, texts for the log alone, headers of answers, tests.
const NO_TEXTS: [&str; 9] = [
    "events/emitted.rs",
    "events/keeper.rs",
    "files/download.rs",
    "jobs/enough.rs",
    "jobs/keeper.rs",
    "jobs/writer.rs",
    "notifications/keeper.rs",
    "notifications/secrets.rs",
    "settings/readers.rs",
];
/// Calls whose texts no user reads: the log of the process, and what can't happen.
const UNSEEN: [&str; 8] =
    ["info!", "warn!", "debug!", "error!", "info_span!", "expect", "panic!", "format_description!"];
/// The same in every language.
const SAME: [&str; 13] = [
    "512 MiB",
    "Linux {}",
    "accessMode rwx",
    "apk add",
    "apt install",
    "attachment; filename={}",
    "attachment; filename={}.img",
    "cloneMode linked-clone",
    "dataEngine v2",
    "dnf install",
    "pacman -S",
    "private, no-cache",
    "zypper install",
];
/// Fewer would mean that the search does not see them any more.
const EXPECTED: usize = 1700;

/// The key of a literal: places without names and forms, braces of their own as they are shown.
fn key(said: &str) -> String {
    let mut key = String::with_capacity(said.len());
    let mut characters = said.chars().peekable();
    while let Some(character) = characters.next() {
        key.push(character);
        if !matches!(character, '{' | '}') {
            continue;
        }
        if characters.next_if_eq(&character).is_none() && character == '{' {
            // The name of the place.
            _ = characters.by_ref().find(|inner| *inner == '}');
            key.push('}');
        }
    }
    key
}

/// The literals of the code, each with the names of the calls around it, the innermost last.
fn literals(code: &str) -> Vec<(String, Vec<&str>)> {
    let mut found = Vec::new();
    let mut around: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(character) = code[at..].chars().next() {
        let rest = &code[at..];
        match character {
            '"' => {
                let Some((said, length)) = literal(rest) else { break };
                found.push((said, around.clone()));
                at += length;
                continue;
            }
            '(' | '[' | '{' => around.push(name_before(&code[..at])),
            ')' | ']' | '}' => _ = around.pop(),
            // A character, such as `'"'`; a lifetime has no second quote so near.
            '\'' => {
                let inside = if rest[1..].starts_with('\\') { 2 } else { 1 };
                let length = rest[inside..].chars().next().map_or(0, char::len_utf8);
                if rest[inside + length..].starts_with('\'') {
                    at += inside + length + 1;
                    continue;
                }
            }
            'r' if rest.starts_with("r\"") || rest.starts_with("r#\"") => {
                let (begin, end) = if rest.starts_with("r#") { (3, "\"#") } else { (2, "\"") };
                let Some(length) = rest[begin..].find(end) else { break };
                at += begin + length + end.len();
                continue;
            }
            '/' if rest.starts_with("//") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            _ => {}
        }
        at += character.len_utf8();
    }
    found
}

/// What is called: `tracing::info!`, `expect`.
fn name_before(code: &str) -> &str {
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '!');
    let begin = code.char_indices().rev().take_while(|(_, character)| is_name(*character)).last();
    begin.map_or("", |(at, _)| &code[at..])
}

/// The keys of the sentences in the code.
fn sentences(code: &str) -> Vec<String> {
    let seen = |around: &[&str]| !around.iter().any(|name| UNSEEN.contains(name));
    let all = literals(code).into_iter().filter(|(_, around)| seen(around)).map(|(said, _)| key(&said));
    let is_sentence = |key: &String| {
        let own = key.replace("{}", "");
        own.trim().contains(' ') && own.contains(|character: char| character.is_ascii_alphabetic())
            || key.contains("{} ") && own.contains(|character: char| character.is_ascii_alphabetic())
    };
    all.filter(is_sentence).collect()
}

fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for place in PLACES {
        let path = root().join(place);
        if path.is_dir() {
            sources(&path, &mut files);
        } else {
            files.push(path);
        }
    }
    files.retain(|path| {
        let name = path.to_string_lossy();
        let is_test = name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("_table.rs");
        !is_test && !NO_TEXTS.iter().any(|other| name.ends_with(other))
    });
    files
}

#[test]
fn every_text_of_the_manager_has_its_chinese() {
    let words = words();
    let (mut missing, mut found) = (Vec::new(), 0);
    for path in files() {
        for key in sentences(&code(&path)) {
            found += 1;
            if !words.contains_key(&key) && !SAME.contains(&key.as_str()) {
                missing.push(format!("{}: {key:?}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    missing.sort();
    missing.dedup();
    assert!(
        missing.is_empty(),
        "{} texts are not in assets/words/zh/server-*.json:\n{}",
        missing.len(),
        missing.join("\n")
    );
    assert!(found > EXPECTED, "only {found} texts were found");
}

#[test]
fn reasons_of_events_have_their_chinese() {
    let words = words();
    let reasons = fs::read_to_string(root().join("server/src/events/reason.rs")).unwrap();
    let (_, table) = reasons.split_once("match self {").unwrap();
    let reasons: Vec<String> = literals(table).into_iter().map(|(said, _)| said).collect();
    let missing: Vec<&String> = reasons.iter().filter(|reason| !words.contains_key(*reason)).collect();
    assert!(missing.is_empty() && reasons.len() > 50, "{missing:?} of {}", reasons.len());
}

#[test]
fn what_is_found_in_code() {
    let code = r##"
        let quote = '"'; // "a comment"
        fn of<'a>(text: &'a str) -> Cause { Cause::new(code, format!("{} of {why:?} is {{odd}}", x), "Do \
            this.") }
        tracing::info!(name, "for the log"); it.expect("can't happen"); sqlx::query(r#"SELECT "a b""#);
        #[error("no {0} there")] "word" "{}: {}"
    "##;
    assert_eq!(sentences(code), ["{} of {} is {odd}", "Do this.", "no {} there"]);
}
