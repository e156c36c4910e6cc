//! Another number of replicas, with what would come of it.

use leptos::prelude::*;
use serde_json::json;

use super::batch::{Batch, subject, what_if};
use crate::components::consequences::Consequences;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, ask_form};
use crate::live::Live;
use crate::words::{fill, tr};

const FIELD: &str = "replicaCount";
const MOST: i64 = 20;

pub(super) fn ask(names: Vec<String>) {
    let live = Live::expect();
    let present =
        names.first().and_then(|name| live.volumes.row(name)).map(|row| row.get_untracked().number_of_replicas);
    let present = i64::from(present.unwrap_or(1));
    let what = subject(&names);
    let (of, batch) = (names.clone(), Batch::new(names));
    ask_form(FormQuestion {
        title: fill("Replicas of {}", &[&what]),
        answer: "Save",
        tone: Tone::Plain,
        intro: Some(ViewFn::from(|| {
            view! { <p>{tr("A new replica is filled while the volume is used; one that is too many goes at once.")}</p> }
        })),
        fields: vec![Field::number(FIELD, "Replicas", 1, MOST).required().value(present)],
        preview: Some(Callback::new(move |values: Signal<Values>| {
            let of = of.clone();
            let address = Signal::derive(move || {
                let wished = values.with(typed).filter(|wished| *wished != present);
                let address =
                    wished.and_then(|wished| what_if("replicaCount", &of, &format!("&replicaCount={wished}")));
                address.unwrap_or_default()
            });
            view! { <Consequences address /> }.into_any()
        })),
        submit: Callback::new(move |values: Values| {
            let wished = typed(&values).unwrap_or(present);
            batch.act(
                "updateReplicaCount",
                json!({ FIELD: wished }),
                fill("{} is to have {} replicas.", &[&what, &wished]),
            )
        }),
    });
}

fn typed(values: &Values) -> Option<i64> {
    values.at(FIELD)?.as_i64()
}
