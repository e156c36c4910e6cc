//! Why something is not as wished, with what to do.

use aurochs_api::cause::{Cause, Severity};

use super::table::{Cell, Tone, printable};

/// The first cause, for a list: what is worst.
pub(super) fn cell(causes: &[Cause]) -> Cell {
    let Some(first) = causes.first() else { return Cell::default() };
    let more = if causes.len() > 1 { format!(" (+{} more)", causes.len() - 1) } else { String::new() };
    Cell::new(format!("{}{more}", first.message), tone(first.severity))
}

/// All causes, each with its next step and the places that were looked at.
pub(super) fn told(causes: &[Cause], has_colour: bool) -> String {
    let one = |cause: &Cause| {
        let word = match cause.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let word = match tone(cause.severity).sequence().filter(|_| has_colour) {
            Some(sequence) => format!("{sequence}{word}\u{1b}[0m"),
            None => word.to_owned(),
        };
        let mut text = format!("\n{word} ({}): {}\n", cause.code.word(), printable(&cause.message));
        cause.details.iter().for_each(|detail| text.push_str(&format!("  - {}\n", printable(&detail.text))));
        if !cause.next_step.is_empty() {
            text.push_str(&format!("  next: {}\n", printable(&cause.next_step)));
        }
        text
    };
    causes.iter().map(one).collect()
}

const fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Info => Tone::Plain,
        Severity::Warning => Tone::Warning,
        Severity::Error => Tone::Bad,
    }
}

/// The sentence of the first cause.
pub(super) fn cell_text(causes: &[Cause]) -> &str {
    causes.first().map_or("", |cause| cause.message.as_str())
}
