//! A new volume: what it needs, checked while typing, and what will happen.

use aurochs_api::ids::VolumeName;
use aurochs_api::size::{ByteSize, VOLUME_SIZE_ALIGNMENT, VOLUME_SIZE_MINIMUM};
use aurochs_api::volume::{SizeText, Volume, VolumeCreateInput};
use leptos::prelude::*;

use super::Questions;
use crate::components::call::Call;
use crate::components::dialog::Dialog;
use crate::live::Live;
use crate::model::placement::Forecast;
use crate::notices::Notices;
use crate::{api, words};

const REPLICAS_WITHOUT_SETTING: u64 = 3;
const REPLICAS_MAXIMUM: u32 = 20;
const OVER_PROVISIONING_WITHOUT_SETTING: u64 = 100;

/// The fields as they are typed.
#[derive(Clone, Copy)]
struct Fields {
    name: RwSignal<String>,
    size: RwSignal<String>,
    unit: RwSignal<String>,
    replicas: RwSignal<String>,
    frontend: RwSignal<String>,
}

impl Fields {
    fn new(live: &Live) -> Self {
        let setting = untrack(|| live.setting_number("default-replica-count"));
        let replicas = setting.unwrap_or(REPLICAS_WITHOUT_SETTING);
        Self {
            name: RwSignal::new(String::new()),
            size: RwSignal::new("10".to_owned()),
            unit: RwSignal::new("Gi".to_owned()),
            replicas: RwSignal::new(replicas.to_string()),
            frontend: RwSignal::new("blockdev".to_owned()),
        }
    }

    /// What is wrong with the name, once there is one.
    fn name_error(self, taken: impl Fn(&str) -> bool) -> Option<String> {
        let name = self.name.get();
        match name.parse::<VolumeName>() {
            Err(error) => Some(format!("{}.", capitalised(&error.to_string()))),
            Ok(_) if taken(&name) => Some(format!("There is a volume {name} already; choose another name.")),
            Ok(_) => None,
        }
    }

    fn size(self) -> Result<ByteSize, String> {
        check_size(&self.size.get(), &self.unit.get())
    }

    fn replicas(self) -> Result<u32, String> {
        match self.replicas.get().trim().parse::<u32>() {
            Ok(number @ 1..=REPLICAS_MAXIMUM) => Ok(number),
            _ => Err(format!("Give a number from 1 to {REPLICAS_MAXIMUM}.")),
        }
    }

    fn input(self, size: ByteSize, replicas: u32) -> VolumeCreateInput {
        VolumeCreateInput {
            name: self.name.get_untracked(),
            size: SizeText(size.bytes().to_string()),
            number_of_replicas: replicas,
            frontend: self.frontend.get_untracked().into(),
            ..VolumeCreateInput::default()
        }
    }
}

/// The size that the volume will get, or what is wrong with what was typed.
pub(super) fn check_size(number: &str, unit: &str) -> Result<ByteSize, String> {
    let number = number.trim();
    // A unit that is typed along counts more than the one beside it.
    let text =
        if number.ends_with(|c: char| c.is_ascii_alphabetic()) { number.to_owned() } else { format!("{number}{unit}") };
    if number.is_empty() {
        return Err("Give a size, such as 10.".to_owned());
    }
    let size: ByteSize = text.parse().map_err(|_| format!("“{number}” is not a size; give a number, such as 10."))?;
    if size < VOLUME_SIZE_MINIMUM {
        return Err(format!("The smallest volume has {VOLUME_SIZE_MINIMUM}."));
    }
    Ok(size.round_up(VOLUME_SIZE_ALIGNMENT))
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[component]
pub(super) fn CreateVolumeDialog() -> impl IntoView {
    let live = Live::expect();
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let fields = Fields::new(&live);
    let call = Call::new();
    let name_error = Memo::new(move |_| fields.name_error(|name| live.volumes.get(name).is_some()));
    let ready = Memo::new(move |_| name_error.get().is_none() && fields.size().is_ok() && fields.replicas().is_ok());
    let answer = Callback::new(move |()| {
        let (Ok(size), Ok(replicas)) = (fields.size(), fields.replicas()) else { return };
        let input = fields.input(size, replicas);
        let name = input.name.clone();
        call.run(async move { api::create::<Volume>(&input).await }, move |_| {
            notices.done(format!("Volume {name} is being created."));
            questions.close();
        });
    });
    view! {
        <Dialog
            title="Create volume"
            answer="Create volume"
            ready
            call
            on_answer=answer
            on_close=Callback::new(move |()| questions.close())
        >
            <NameField name=fields.name error=name_error />
            <SizeField fields />
            <div class="field-row">
                <ReplicasField fields />
                <FrontendField frontend=fields.frontend />
            </div>
            <WhatWillHappen fields live />
        </Dialog>
    }
}

#[component]
fn NameField(name: RwSignal<String>, error: Memo<Option<String>>) -> impl IntoView {
    let shown = move || error.get().filter(|_| !name.get().is_empty());
    view! {
        <label class="field">
            <span>"Name"</span>
            <input
                autofocus
                name="name"
                placeholder="mysql-data"
                maxlength="80"
                spellcheck="false"
                autocapitalize="off"
                aria-invalid=move || shown().is_some().to_string()
                aria-describedby="name-error"
                bind:value=name
            />
            <span id="name-error" class="hint error" aria-live="polite">{shown}</span>
        </label>
    }
}

#[component]
fn SizeField(fields: Fields) -> impl IntoView {
    let Fields { size, unit, .. } = fields;
    view! {
        <div class="field">
            <label for="size">"Size"</label>
            <span class="joined">
                <input
                    id="size"
                    name="size"
                    inputmode="decimal"
                    aria-invalid=move || fields.size().is_err().to_string()
                    aria-describedby="size-error"
                    bind:value=size
                />
                <select aria-label="Unit" name="unit" bind:value=unit>
                    <option value="Mi">"MiB"</option>
                    <option value="Gi" selected>"GiB"</option>
                    <option value="Ti">"TiB"</option>
                </select>
            </span>
            <span id="size-error" class="hint error" aria-live="polite">{move || fields.size().err()}</span>
        </div>
    }
}

#[component]
fn ReplicasField(fields: Fields) -> impl IntoView {
    view! {
        <label class="field">
            <span>"Replicas"</span>
            <input
                name="replicas"
                type="number"
                min="1"
                max=REPLICAS_MAXIMUM
                aria-invalid=move || fields.replicas().is_err().to_string()
                bind:value=fields.replicas
            />
            {move || match fields.replicas() {
                Err(error) => view! { <span class="hint error">{error}</span> }.into_any(),
                Ok(1) => view! { <span class="hint">"One copy: a failed disk loses it."</span> }.into_any(),
                Ok(_) => view! { <span class="hint">"Copies, each on its own node"</span> }.into_any(),
            }}
        </label>
    }
}

#[component]
fn FrontendField(frontend: RwSignal<String>) -> impl IntoView {
    view! {
        <label class="field">
            <span>"Frontend"</span>
            <select name="frontend" bind:value=frontend>
                <option value="blockdev" selected>{words::frontend("blockdev")}</option>
            </select>
            <span class="hint">"A device under /dev/longhorn, where it is attached"</span>
        </label>
    }
}

/// The sentence that says what the button does.
#[component]
fn WhatWillHappen(fields: Fields, live: Live) -> impl IntoView {
    let forecast = Memo::new(move |_| {
        let (size, replicas) = (fields.size().ok()?, fields.replicas().ok()?);
        let over_provisioning = live.setting_number("storage-over-provisioning-percentage");
        let nodes = live.nodes.all();
        let percent = over_provisioning.unwrap_or(OVER_PROVISIONING_WITHOUT_SETTING);
        Some(Forecast::of(nodes.iter().map(AsRef::as_ref), size, replicas, percent))
    });
    view! {
        <p class="outlook" aria-live="polite">
            {move || forecast.get().map(|forecast| {
                let (short, sentence) = words::forecast(&forecast);
                view! { <span class:short=short>{sentence}</span> }
            })}
        </p>
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::size::{GIB, MIB};

    use super::*;

    #[test]
    fn sizes_as_people_type_them() {
        assert_eq!(check_size("10", "Gi"), Ok(ByteSize(10 * GIB)));
        assert_eq!(check_size(" 1.5 ", "Gi"), Ok(ByteSize(1536 * MIB)));
        assert_eq!(check_size("512Mi", "Gi"), Ok(ByteSize(512 * MIB)));
        assert_eq!(check_size("11", "Mi"), Ok(ByteSize(12 * MIB)), "rounded up to what volumes are made of");
        for bad in ["", "0", "-1", "ten", "9Mi", "1e3"] {
            assert!(check_size(bad, "Gi").is_err(), "{bad}");
        }
    }

    #[test]
    fn sentences_begin_with_a_capital() {
        assert_eq!(capitalised("the name"), "The name");
        assert_eq!(capitalised(""), "");
    }
}
