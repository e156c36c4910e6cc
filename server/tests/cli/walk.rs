//! Every command is told, has an example that is right, and is in a test.

use aurochs_server::client;
use clap::{Command, Subcommand};

const TESTS: [&str; 12] = [
    include_str!("backing_images.rs"),
    include_str!("backups.rs"),
    include_str!("failures.rs"),
    include_str!("files.rs"),
    include_str!("history.rs"),
    include_str!("machines.rs"),
    include_str!("output.rs"),
    include_str!("questions.rs"),
    include_str!("settings.rs"),
    include_str!("snapshots.rs"),
    include_str!("system_backups.rs"),
    include_str!("volumes.rs"),
];

fn program() -> Command {
    let mut program = client::Command::augment_subcommands(Command::new("aurochs"));
    program.build();
    program
}

/// Commands without others below them, with the words that name them.
fn leaves(command: &Command, path: &str) -> Vec<(String, Command)> {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    let named = |below: &Command| format!("{path} {}", below.get_name()).trim().to_owned();
    let all: Vec<_> = below.flat_map(|below| leaves(below, &named(below))).collect();
    if all.is_empty() { vec![(path.to_owned(), command.clone())] } else { all }
}

#[test]
fn every_command_is_in_a_test() {
    for (path, _) in leaves(&program(), "") {
        let is_there =
            TESTS.iter().any(|test| test.contains(&format!("\"{path} ")) || test.contains(&format!("\"{path}\"")));
        assert!(is_there, "no test runs `aurochs {path}`");
    }
}

#[test]
fn every_command_says_what_it_does_and_gives_an_example_of_itself() {
    for (path, command) in leaves(&program(), "") {
        let about = command.get_about().unwrap_or_else(|| panic!("`aurochs {path}` does not say what it does"));
        assert!(!about.to_string().ends_with('.'), "`aurochs {path}`: a line of a list has no full stop");
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(
            after.contains("Example") && after.contains(&format!("aurochs {path}")),
            "`aurochs {path}` has no example"
        );
        for argument in command.get_arguments() {
            let is_told = argument.get_help().is_some_and(|help| !help.to_string().is_empty());
            // A word that says all in a list of words needs no sentence.
            assert!(is_told, "`aurochs {path}` does not explain {}", argument.get_id());
        }
    }
}

#[test]
fn examples_can_be_typed() {
    let program = program();
    let mut count = 0;
    for (path, command) in leaves(&program, "") {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in after.lines().filter(|line| line.starts_with("  aurochs ")) {
            let words = words(line);
            let parsed = program.clone().try_get_matches_from(&words);
            assert!(parsed.is_ok(), "`aurochs {path}` gives an example that is refused: {line}\n{:?}", parsed.err());
            count += 1;
        }
    }
    assert!(count > 60, "only {count} examples were found");
}

/// Words as a shell divides them: quotes hold words together; what is behind a comment, a pipe or an arrow is no argument.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#' | '|' | '>' | '<') => break,
            (None, ' ') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
