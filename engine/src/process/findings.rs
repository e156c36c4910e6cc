//! Findings about a directory, as text.

use super::terminal::{Look, Paint};
use crate::offline::{Finding, Severity};

/// One paragraph for each, the worst first; a line that says so where there is none.
pub(crate) fn text(findings: &[Finding], paint: Paint) -> String {
    if findings.is_empty() {
        return "No problems found.\n".to_owned();
    }
    findings.iter().map(|finding| paragraph(finding, paint)).collect()
}

fn paragraph(finding: &Finding, paint: Paint) -> String {
    let mark = match finding.severity {
        Severity::Problem => paint.paint(Look::Bad, "problem"),
        Severity::Warning => paint.paint(Look::Doubtful, "warning"),
        Severity::Note => paint.paint(Look::Faint, "note"),
    };
    let place = if finding.file.is_empty() { String::new() } else { format!("{}: ", finding.file) };
    let advice = if finding.advice.is_empty() { String::new() } else { format!("    {}\n", finding.advice) };
    format!("  {mark}  {place}{}\n{advice}", finding.what)
}

/// `2 problems, 1 warning`.
pub(crate) fn count(findings: &[Finding]) -> String {
    let of = |severity: Severity, name: &str| {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        (count > 0).then(|| format!("{count} {name}{}", if count == 1 { "" } else { "s" }))
    };
    let parts: Vec<String> =
        [of(Severity::Problem, "problem"), of(Severity::Warning, "warning"), of(Severity::Note, "note")]
            .into_iter()
            .flatten()
            .collect();
    if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
}
