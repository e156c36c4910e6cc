//! `aurochs-engine check`: whether this machine can serve volumes.

use std::path::PathBuf;

use clap::Args;

use super::ProgramError;
use super::terminal::{self, Look, Paint};
use crate::instance::environment::{self, Item, Severity};

/// Looks at this machine: kernel, programs, directories that are to hold replicas. Changes nothing.
///
/// Each thing that is missing comes with what to do about it. Ends with 1 when no volume can be served here.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A directory that holds, or is to hold, replicas; can be given several times.
    #[arg(long)]
    disk: Vec<PathBuf>,
    /// Print JSON instead of text: a list of {name, ok, severity (info, warning, error), message, remedy}.
    #[arg(long)]
    json: bool,
}

/// Checks and prints.
///
/// # Errors
/// [`ProgramError::NotReady`] when something is missing without which no volume can be served.
pub fn run(arguments: &Arguments) -> Result<(), ProgramError> {
    let items = environment::check(&arguments.disk);
    if arguments.json {
        terminal::print_json(&items)?;
    } else {
        terminal::print(&text(&items, Paint::for_stdout()))?;
    }
    match items.iter().filter(|item| !item.ok && item.severity == Severity::Error).count() {
        0 => Ok(()),
        1 => Err(ProgramError::NotReady("one thing keeps".to_owned())),
        count => Err(ProgramError::NotReady(format!("{count} things keep"))),
    }
}

/// What keeps volumes from being served first, what is good last.
fn text(items: &[Item], paint: Paint) -> String {
    let mut sorted: Vec<&Item> = items.iter().collect();
    sorted.sort_by_key(|item| (item.ok, std::cmp::Reverse((!item.ok).then_some(item.severity))));
    let width = items.iter().map(|item| item.name.chars().count()).max().unwrap_or_default();
    sorted.into_iter().map(|item| paragraph(item, width, paint)).collect()
}

fn paragraph(item: &Item, width: usize, paint: Paint) -> String {
    let mark = match (item.ok, item.severity) {
        (true, _) => paint.paint(Look::Faint, "ok     "),
        (false, Severity::Error) => paint.paint(Look::Bad, "ERROR  "),
        (false, Severity::Warning) => paint.paint(Look::Doubtful, "warning"),
        (false, Severity::Info) => paint.paint(Look::Faint, "note   "),
    };
    let remedy =
        if item.remedy.is_empty() { String::new() } else { format!("{:11}{:width$}  {}\n", "", "", item.remedy) };
    format!("  {mark}  {:width$}  {}\n{remedy}", item.name, item.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_with_its_remedy_below() {
        let item = |name: &str, ok, severity, remedy: &str| Item {
            name: name.into(),
            ok,
            severity,
            message: format!("{name} was looked at"),
            remedy: remedy.into(),
        };
        let items = [
            item("kernel", true, Severity::Warning, ""),
            item("nfs-client", false, Severity::Info, "Install it"),
            item("disk /x", false, Severity::Error, ""),
        ];
        let text = text(&items, Paint::plain());
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[0], "ERROR    disk /x     disk /x was looked at");
        assert_eq!(lines[1], "note     nfs-client  nfs-client was looked at");
        assert_eq!(lines[2], "Install it");
        assert!(lines[3].starts_with("ok"));
    }
}
