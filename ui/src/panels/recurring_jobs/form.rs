//! A new recurring job, and a change of one.

use leptos::prelude::*;
use serde_json::{Map, Value, json};

use super::tasks::{TASKS, can_be_forced, join, keeps, sentence, split, words};
use crate::api;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, Sending, ask_form};
use crate::live::Thing;
use crate::words::{fill, tr};

/// Each night, when nobody works.
const CRON: &str = "0 2 * * *";
const RETAIN: i64 = 7;
const RETAIN_MAXIMUM: i64 = 250;
const CONCURRENCY: i64 = 1;
const CONCURRENCY_MAXIMUM: i64 = 1000;
const NAME_LENGTH_MAXIMUM: usize = 40;
/// The volumes that take part in no job.
const DEFAULT_GROUP: &str = "default";
const POLICY: &str = "volume-backup-policy";
const INTERVAL: &str = "full-backup-interval";

pub(crate) fn ask_create() {
    ask_form(FormQuestion {
        title: tr("New recurring job").to_owned(),
        answer: "Create job",
        tone: Tone::Plain,
        intro: None,
        fields: fields(None),
        preview: Some(Callback::new(preview)),
        submit: Callback::new(|values: Values| {
            Box::pin(async move {
                let made = api::post("v1/recurringjobs", &body(&values, None)).await?;
                Ok(fill("Recurring job {} is there.", &[&made.text("name")]))
            }) as Sending
        }),
    });
}

pub(super) fn ask_edit(job: &Thing) {
    let kept = job.clone();
    ask_form(FormQuestion {
        title: fill("Edit {}", &[&job.text("name")]),
        answer: "Save",
        tone: Tone::Plain,
        intro: None,
        fields: fields(Some(job)),
        preview: Some(Callback::new(preview)),
        submit: Callback::new(move |values: Values| {
            let job = kept.clone();
            Box::pin(async move {
                let address = api::address_of("recurringjobs", job.id());
                api::put(&address, &body(&values, Some(&job))).await?;
                Ok(fill("Recurring job {} is changed.", &[&job.text("name")]))
            }) as Sending
        }),
    });
}

fn preview(values: Signal<Values>) -> AnyView {
    view! { <p class="outlook">{move || values.with(|values| sentence(&values.text("task")))}</p> }.into_any()
}

fn fields(job: Option<&Thing>) -> Vec<Field> {
    let text = |path: &str, otherwise: &str| job.map_or(otherwise, |job| job.text(path)).to_owned();
    let number = |path: &str, otherwise: i64| {
        job.and_then(|job| job.at(path)).and_then(Value::as_i64).filter(|number| *number > 0).unwrap_or(otherwise)
    };
    let task = text("task", TASKS[0]);
    let (task, force) = split(&task);
    let tasks = TASKS.map(|task| (task.to_owned(), words(task))).to_vec();
    let groups = job.map(|job| job.texts("groups")).unwrap_or_default();
    let parameter = |name: &str| job.and_then(|job| job.at("parameters")?.get(name)?.as_str().map(str::to_owned));
    let fixed = |field: Field| if job.is_some() { field.fixed() } else { field };
    let policies = vec![
        ("if-not-present".to_owned(), tr("Where there is no backup yet").to_owned()),
        ("always".to_owned(), tr("Always").to_owned()),
        ("disabled".to_owned(), tr("Never").to_owned()),
    ];
    let interval = parameter(INTERVAL).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    vec![
        fixed(Field::text("name", "Name").required().value(text("name", "")).check(check_name)),
        fixed(Field::select("task", "Task", tasks).value(task)),
        fixed(
            Field::toggle("force", "Also when nothing is new")
                .value(force)
                .hint("Otherwise volumes that nothing was written to are left out.")
                .when(|values| can_be_forced(&values.text("task"))),
        ),
        Field::cron("cron", "When").value(text("cron", CRON)),
        Field::number("retain", "Keep the newest", 1, RETAIN_MAXIMUM)
            .value(number("retain", RETAIN))
            .hint("Of what it made of each volume; older ones are deleted.")
            .when(|values| keeps(&values.text("task"))),
        Field::number("concurrency", "Volumes at once", 1, CONCURRENCY_MAXIMUM)
            .value(number("concurrency", CONCURRENCY))
            .when(|values| values.text("task") != "system-backup"),
        Field::select("policy", "Back up volumes", policies)
            .value(parameter(POLICY).unwrap_or_else(|| "if-not-present".to_owned()))
            .when(|values| values.text("task") == "system-backup"),
        Field::number("interval", "A full backup after so many", 0, CONCURRENCY_MAXIMUM)
            .value(interval)
            .hint("0 sends only what changed, always.")
            .when(|values| values.text("task") == "backup")
            .advanced(),
        Field::toggle("default", "For all volumes without a job")
            .value(groups.iter().any(|group| group == DEFAULT_GROUP))
            .hint("The group “default”. Volumes are put into other groups on their pages.")
            .when(|values| values.text("task") != "system-backup"),
        Field::tags("groups", "Groups")
            .value(groups.iter().filter(|group| *group != DEFAULT_GROUP).cloned().collect::<Vec<_>>())
            .when(|values| values.text("task") != "system-backup"),
        Field::labels("labels", "Labels")
            .value(labels(job))
            .hint("Put on what it makes.")
            .when(|values| can_be_forced(&values.text("task")))
            .advanced(),
    ]
}

fn labels(job: Option<&Thing>) -> Value {
    job.and_then(|job| job.at("labels").cloned()).unwrap_or(Value::Null)
}

/// Fields that the task has no use for are empty: a body that says nothing of them would leave what was.
fn body(values: &Values, job: Option<&Thing>) -> Value {
    let task = &*values.text("task");
    let mut groups = values.tags("groups");
    if values.flag("default") {
        groups.insert(0, DEFAULT_GROUP.to_owned());
    }
    let mut parameters = Map::new();
    if task == "system-backup" {
        parameters.insert(POLICY.to_owned(), json!(values.text("policy")));
    }
    if let Some(interval) = whole(values, "interval").filter(|interval| *interval > 0) {
        parameters.insert(INTERVAL.to_owned(), json!(interval.to_string()));
    }
    let labels = values.at("labels").filter(|labels| labels.is_object()).cloned().unwrap_or_else(|| json!({}));
    let mut body = json!({
        "cron": values.text("cron").trim(),
        "retain": whole(values, "retain").unwrap_or(0),
        "concurrency": whole(values, "concurrency").unwrap_or(CONCURRENCY),
        "groups": groups,
        "labels": labels,
        "parameters": parameters,
    });
    match job {
        // Neither can be changed; both have to be there.
        Some(job) => {
            body["name"] = json!(job.text("name"));
            body["task"] = json!(job.text("task"));
        }
        None => {
            body["name"] = json!(values.text("name").trim());
            body["task"] = json!(join(task, values.flag("force")));
        }
    }
    body
}

fn whole(values: &Values, key: &str) -> Option<i64> {
    values.at(key).and_then(Value::as_i64)
}

fn check_name(name: &str, _: &Values) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good = name.len() <= NAME_LENGTH_MAXIMUM
        && name.chars().all(plain)
        && edge(name.chars().next())
        && edge(name.chars().last());
    let wrong = tr("Give up to 40 lower-case letters, digits and hyphens, with a letter or digit at both ends.");
    if good { Ok(()) } else { Err(wrong.to_owned()) }
}
