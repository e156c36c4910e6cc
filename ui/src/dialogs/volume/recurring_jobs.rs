//! Let volumes take part in a recurring job or in a group of them, and let one leave.

use std::collections::BTreeSet;

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;

use super::batch::{Batch, subject};
use crate::api;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{Confirm, FormQuestion, Questions, ask_confirm, ask_form};
use crate::live::Thing;
use crate::words::{fill, tr};

/// What a choice of the field begins with when it is a group.
const GROUP: &str = "group:";
const JOB: &str = "job:";

pub(crate) fn ask(names: Vec<String>) {
    spawn_local(async move {
        let jobs = api::get("v1/recurringjobs").await.map(|found| found.items("data")).unwrap_or_default();
        open(names, &jobs);
    });
}

fn open(names: Vec<String>, jobs: &[Thing]) {
    let what = subject(&names);
    let none = jobs.is_empty();
    let batch = Batch::new(names);
    ask_form(FormQuestion {
        title: fill("Add {} to a recurring job", &[&what]),
        answer: "Add",
        tone: Tone::Plain,
        intro: Some(ViewFn::from(move || {
            let close = move |_| Questions::expect().close();
            let hint = none.then(|| {
                view! {
                    <p>{tr("There is no recurring job yet.")}" "<a href="recurring-jobs" on:click=close><strong>{tr("Make one")}</strong></a></p>
                }
            });
            view! {
                <p class="dim">{tr("A job does its work for each volume that takes part; a group stands for all jobs in it. Volumes that name no job take part in the group default.")}</p>
                {hint}
            }
        })),
        fields: vec![Field::select("job", "Job or group", choices(jobs)).required()],
        preview: None,
        submit: Callback::new(move |values: Values| {
            let (name, is_group) = of_choice(&values.text("job"));
            let body = json!({ "name": name, "isGroup": is_group });
            batch.act("recurringJobAdd", body, fill("{} takes part in {}.", &[&what, &name]))
        }),
    });
}

/// Jobs with their schedule, then groups.
fn choices(jobs: &[Thing]) -> Vec<(String, String)> {
    let groups: BTreeSet<String> =
        jobs.iter().flat_map(|job| job.texts("groups")).chain(["default".to_owned()]).collect();
    let job = |job: &Thing| {
        let name = job.text("name");
        (format!("{JOB}{name}"), format!("{name} ({}, {})", job.text("task"), job.text("schedule")))
    };
    let group = |name: String| (format!("{GROUP}{name}"), fill("Group {}", &[&name]));
    jobs.iter().map(job).chain(groups.into_iter().map(group)).collect()
}

fn of_choice(choice: &str) -> (String, bool) {
    match choice.strip_prefix(GROUP) {
        Some(group) => (group.to_owned(), true),
        None => (choice.strip_prefix(JOB).unwrap_or(choice).to_owned(), false),
    }
}

/// The volume takes part no more.
pub(crate) fn ask_leave(volume: String, job: String, is_group: bool) {
    let batch = Batch::new(vec![volume.clone()]);
    let body = json!({ "name": job, "isGroup": is_group });
    ask_confirm(Confirm {
        title: fill("Take {} out of {}", &[&volume, &job]),
        answer: "Take out",
        tone: Tone::Plain,
        consequences: None,
        lines: vec![
            tr("What the job has made stays. A volume that takes part in nothing else goes to the group default.")
                .to_owned(),
        ],
        typed: None,
        submit: Callback::new(move |()| {
            batch.act("recurringJobDelete", body.clone(), fill("{} left {}.", &[&volume, &job]))
        }),
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn choices_come_back_as_jobs_and_groups() {
        let jobs =
            [Thing::from(json!({ "name": "nightly", "task": "backup", "schedule": "every day", "groups": ["gold"] }))];
        let keys: Vec<String> = choices(&jobs).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["job:nightly", "group:default", "group:gold"]);
        assert_eq!(of_choice(&keys[0]), ("nightly".to_owned(), false));
        assert_eq!(of_choice(&keys[2]), ("gold".to_owned(), true));
    }
}
