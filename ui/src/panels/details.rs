//! The facts about a volume that change seldom.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::prelude::*;

use crate::components::when::When;
use crate::words;

#[component]
pub(crate) fn DetailsPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let facts = Memo::new(move |_| volume.get().map(|volume| facts(&volume)).unwrap_or_default());
    let created = Memo::new(move |_| volume.get().map(|volume| volume.created.clone()).unwrap_or_default());
    view! {
        <section class="card" aria-labelledby="details-title">
            <h2 id="details-title">"Details"</h2>
            <dl class="kv">
                {move || facts.get().into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> }).collect_view()}
                <dt>"Created"</dt>
                <dd><When text=created /></dd>
            </dl>
        </section>
    }
}

fn facts(volume: &Volume) -> Vec<(&'static str, String)> {
    let actual = match volume.controllers.first() {
        Some(controller) => controller.actual_size.to_string(),
        None => "known while attached".to_owned(),
    };
    let mut facts = vec![
        ("Size", volume.size.to_string()),
        ("Actual size", actual),
        ("Replicas wished", volume.number_of_replicas.to_string()),
        ("Data locality", words::data_locality(volume.data_locality.word()).to_owned()),
        ("Access mode", words::access_mode(volume.access_mode.word()).to_owned()),
        ("Frontend", words::frontend(volume.frontend.word()).to_owned()),
    ];
    let kubernetes = &volume.kubernetes_status;
    if !kubernetes.pvc_name.is_empty() {
        facts.push(("Claim", format!("{} / {}", kubernetes.namespace, kubernetes.pvc_name)));
    }
    if volume.encrypted {
        facts.push(("Encrypted", "Yes".to_owned()));
    }
    facts
}
