//! The state of a backup in words and as a mark.

use leptos::prelude::*;

use crate::clock;
use crate::components::badge::Badge;
use crate::components::bar::Progress;
use crate::live::Thing;
use crate::words::{Mark, fill, tr};

/// Longhorn's words, which people look for.
pub(crate) fn state(backup: &Thing) -> (Mark, &'static str) {
    match backup.text("state") {
        "" => (Mark::Progress, tr("Asked for")),
        "Pending" => (Mark::Progress, tr("Pending")),
        "InProgress" => (Mark::Progress, tr("In progress")),
        "Completed" => (Mark::Healthy, tr("Completed")),
        "Error" => (Mark::Faulted, tr("Error")),
        "Deleting" => (Mark::Progress, tr("Deleting")),
        _ => (Mark::Idle, tr("Unknown")),
    }
}

/// With how far it is while it runs, and why it failed.
pub(crate) fn state_view(backup: &Thing) -> AnyView {
    let (mark, words) = state(backup);
    let why = [backup.text("error"), backup.text("messages.error")].into_iter().find(|why| !why.is_empty());
    let why = why.map(str::to_owned).or_else(|| backup.causes().first().map(|cause| cause.message.clone()));
    let why = why.map(|why| clock::localized(&why));
    let badge = view! { <Badge mark=Signal::stored(mark) text=words.to_owned() /> };
    let running = backup.text("state") == "InProgress";
    let progress = running.then(|| {
        let percent = percent(backup);
        let label = fill("Backup {}", &[&backup.text("name")]);
        view! { <Progress percent=Signal::stored(percent) label=label /><span class="xs num">{percent}" %"</span> }
    });
    view! { <span class="with-progress" title=why>{badge}{progress}</span> }.into_any()
}

/// By bytes where they are known: the percent of the resource is written seldom.
fn percent(backup: &Thing) -> u32 {
    let (done, planned) = (backup.bytes("doneBytes").bytes(), backup.bytes("plannedBytes").bytes());
    let by_bytes = done.saturating_mul(100).checked_div(planned).map(|percent| percent.min(100));
    let told = backup.at("progress").and_then(serde_json::Value::as_u64);
    u32::try_from(by_bytes.or(told).unwrap_or(0)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::percent;

    #[test]
    fn bytes_count_more_than_the_percent_of_a_moment_ago() {
        assert_eq!(percent(&json!({"progress": 5, "plannedBytes": 200, "doneBytes": 50}).into()), 25);
        assert_eq!(percent(&json!({"progress": 5, "plannedBytes": 0, "doneBytes": 0}).into()), 5);
        assert_eq!(percent(&json!({"plannedBytes": 10, "doneBytes": 20}).into()), 100);
        assert_eq!(percent(&json!({}).into()), 0);
    }
}
