//! What came back, in the form that was asked for.

use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::api::Seen;
use super::causes;
use super::failure::Failure;
use super::list::Listed;
use super::table::{self, Cell, Column, Look, Tone, printable};

/// In what form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    // No sentences for clap: one would spread the help of every command over two screens.
    #[default]
    Table,
    Json,
    Name,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArguments {
    /// A table for people, the API's own objects as JSON, or names alone
    #[arg(short = 'o', long = "output", global = true, value_enum, default_value_t = Format::Table, value_name = "FORM")]
    format: Format,
}

impl OutputArguments {
    pub(super) fn open(self) -> Output {
        let is_terminal = io::stdout().is_terminal();
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let has_colour = is_terminal && !no_colour && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Output { format: self.format, is_terminal, look: Look { is_wide: false, has_colour, width } }
    }
}

pub(super) struct Output {
    pub(super) format: Format,
    pub(super) is_terminal: bool,
    look: Look,
}

impl Output {
    /// Several things of a type.
    pub(super) fn list<T: Listed>(&self, all: &[Seen<T>], is_wide: bool) -> Result<(), Failure> {
        self.write(&self.list_text(all, is_wide)?)
    }

    pub(super) fn list_text<T: Listed>(&self, all: &[Seen<T>], is_wide: bool) -> Result<String, Failure> {
        match self.format {
            Format::Json => json(&all.iter().map(|seen| &seen.raw).collect::<Vec<_>>()),
            Format::Name => Ok(all.iter().map(|seen| format!("{}\n", printable(&T::name(&seen.thing)))).collect()),
            Format::Table if all.is_empty() => Ok(format!("{}\n", T::NONE)),
            Format::Table => {
                let rows = all.iter().map(|seen| T::row(&seen.thing)).collect();
                Ok(table::render(T::COLUMNS, rows, Look { is_wide, ..self.look }))
            }
        }
    }

    /// One thing, with all that is to be known.
    pub(super) fn one<T: Listed>(&self, seen: &Seen<T>) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(&seen.raw),
            Format::Name => self.line(&T::name(&seen.thing)),
            Format::Table => {
                self.facts(&T::facts(&seen.thing))?;
                self.write(&causes::told(T::causes(&seen.thing), self.look.has_colour))
            }
        }
    }

    /// What was done: in a sentence, or as the answer that the API gave.
    pub(super) fn done(&self, answer: &Value, name: &str, sentence: &str) -> Result<(), Failure> {
        match self.format {
            Format::Json if answer.is_null() => Ok(()),
            Format::Json => self.json(answer),
            Format::Name => self.line(name),
            Format::Table => self.line(sentence),
        }
    }

    /// A table that is no list of things.
    pub(super) fn table(&self, columns: &[Column], rows: Vec<Vec<Cell>>) -> Result<(), Failure> {
        self.write(&table::render(columns, rows, self.look))
    }

    /// What is known of something, each under its name; what is empty is left out.
    pub(super) fn facts(&self, facts: &[(&str, String)]) -> Result<(), Failure> {
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let told = facts.iter().filter(|(_, value)| !value.is_empty());
        let line = |(name, value): &(&str, String)| {
            let name = self.toned(&format!("{name:width$}"), Tone::Dim);
            format!("{name}  {}\n", printable(value))
        };
        self.write(&told.map(line).collect::<String>())
    }

    pub(super) fn heading(&self, title: &str) -> Result<(), Failure> {
        self.write(&format!("\n{}\n", self.toned(title, Tone::Dim)))
    }

    fn toned(&self, text: &str, tone: Tone) -> String {
        match tone.sequence().filter(|_| self.look.has_colour) {
            Some(sequence) => format!("{sequence}{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }

    pub(super) fn causes(&self, all: &[aurochs_api::cause::Cause]) -> Result<(), Failure> {
        self.write(&causes::told(all, self.look.has_colour))
    }

    pub(super) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.write(&json(value)?)
    }

    pub(super) fn line(&self, text: &str) -> Result<(), Failure> {
        self.write(&format!("{}\n", printable(text)))
    }

    /// As it is.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// A sentence beside the output proper, which a script does not read.
    #[expect(clippy::print_stderr, reason = "beside the output, for people")]
    pub(super) fn aside(&self, text: &str) {
        eprintln!("{}", printable(text));
    }
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| Failure::refused(format!("this is no JSON: {error}"), ""))
}
