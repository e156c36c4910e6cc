//! A cron: how often and when as people say it, the text beside it, what it means in words and its next five runs.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};

use crate::api::{self, ApiError};
use crate::clock;
use crate::live::Thing;
use crate::model::order::put_in_order;
use crate::model::rhythm::{Every, HOUR_STEPS, MINUTE_STEPS, Rhythm, split_zone, with_zone};
use crate::model::time;
use crate::words::{self, fill, tr};

/// A question for each letter would be too many.
const PAUSE: Duration = Duration::from_millis(250);
/// Key of what is no rhythm.
const BY_HAND: &str = "hand";

/// `value` is the cron, with its zone before it. `id` is that of the text field, which a label can name.
#[component]
pub(crate) fn CronField(#[prop(into)] id: String, value: RwSignal<String>) -> impl IntoView {
    // Whoever wants to write by hand may begin with what is there.
    let by_hand = RwSignal::new(false);
    let rhythm = Memo::new(move |_| value.with(|cron| Rhythm::read(split_zone(cron).1)));
    let shown = Memo::new(move |_| rhythm.get().filter(|_| !by_hand.get()));
    let write = Callback::new(move |rhythm: Rhythm| {
        value.update(|cron| *cron = with_zone(split_zone(cron).0, &rhythm.write()));
    });
    let choose = move |event| {
        let every = Every::from_key(&event_target_value(&event));
        by_hand.set(every.is_none());
        if let Some(every) = every {
            write.run(rhythm.get_untracked().unwrap_or_default().with(every));
        }
    };
    // Fields stay while somebody is in them: only another kind makes others.
    let kind = Memo::new(move |_| shown.get().map(|rhythm| rhythm.every));
    let option = move |every: Every| {
        view! { <option value=every.key() prop:selected=move || kind.get() == Some(every)>{words_of_kind(every)}</option> }
    };
    view! {
        <div class="cron">
            <div class="cron-row">
                <select
                    aria-label=tr("How often")
                    on:change=choose
                >
                    {Every::ALL.map(option).collect_view()}
                    <option value=BY_HAND prop:selected=move || kind.get().is_none()>{tr("Cron by hand")}</option>
                </select>
                {move || kind.get().map(|every| view! { <Moments every shown write /> })}
            </div>
            {move || (kind.get() == Some(Every::Week)).then(|| view! { <Weekdays shown write /> })}
            <div class="cron-row">
                <input id=id name="cron" class="mono" aria-label=tr("Cron") spellcheck="false" autocapitalize="off" bind:value=value />
                <Zone value />
            </div>
            <Meaning value rhythm />
        </div>
    }
}

/// What a kind of rhythm asks for besides.
#[component]
fn Moments(every: Every, shown: Memo<Option<Rhythm>>, write: Callback<Rhythm>) -> impl IntoView {
    let now = move || shown.get().unwrap_or_default();
    let change = move |change: &dyn Fn(Rhythm) -> Option<Rhythm>| {
        if let Some(rhythm) = shown.get_untracked().and_then(change) {
            write.run(rhythm);
        }
    };
    let number = |event: &leptos::ev::Event| event_target_value(event).parse::<u32>().ok();
    let clock = move || {
        view! {
            <input
                type="time"
                aria-label=tr("Time of day")
                prop:value=move || now().clock()
                on:input=move |event| change(&|rhythm| rhythm.at_clock(&event_target_value(&event)))
            />
        }
    };
    let choice =
        move |label: &'static str, numbers: Vec<u32>, read: fn(Rhythm) -> u32, set: fn(Rhythm, u32) -> Rhythm| {
            let option = move |number: u32| {
                view! { <option value=number.to_string() prop:selected=move || read(now()) == number>{number}</option> }
            };
            view! {
                <select
                    aria-label=label
                    on:change=move |event| change(&|rhythm| number(&event).map(|number| set(rhythm, number)))
                >
                    {numbers.into_iter().map(option).collect_view()}
                </select>
            }
            .into_any()
        };
    let minute = move || {
        choice(tr("Minute"), (0..60).collect(), |rhythm| rhythm.minute, |rhythm, minute| Rhythm { minute, ..rhythm })
    };
    let step = move |steps: [u32; 6]| {
        let mut steps = steps.to_vec();
        put_in_order(&mut steps, &Ord::cmp);
        choice(tr("Interval"), steps, |rhythm| rhythm.step, |rhythm, step| Rhythm { step, ..rhythm })
    };
    match every {
        Every::Minutes => step(MINUTE_STEPS),
        Every::Hour => minute(),
        Every::Hours => view! { {step(HOUR_STEPS)} {minute()} }.into_any(),
        Every::Day | Every::Week => clock().into_any(),
        Every::Month => {
            let day = |rhythm: Rhythm, day| Rhythm { day, ..rhythm };
            view! { {choice(tr("Day of the month"), (1..32).collect(), |rhythm| rhythm.day, day)} {clock()} }.into_any()
        }
    }
}

#[component]
fn Weekdays(shown: Memo<Option<Rhythm>>, write: Callback<Rhythm>) -> impl IntoView {
    let chosen = move |day: u32| shown.get().is_some_and(|rhythm| rhythm.days >> day & 1 == 1);
    let day = move |day: u32| {
        let toggle = move |_| {
            if let Some(rhythm) = shown.get_untracked() {
                write.run(rhythm.toggled(day));
            }
        };
        view! {
            <button type="button" class="chip" aria-pressed=move || chosen(day).to_string() on:click=toggle>
                {weekday(day)}
            </button>
        }
    };
    // The week begins with Monday where most people are.
    view! {
        <div class="chips" role="group" aria-label=tr("Days of the week")>
            {[1, 2, 3, 4, 5, 6, 0].map(day).collect_view()}
        </div>
    }
}

/// The clock that the cron is meant on.
#[component]
fn Zone(value: RwSignal<String>) -> impl IntoView {
    let zone = move || value.with(|cron| split_zone(cron).0.to_owned());
    let change = move |event| {
        let zone = event_target_value(&event);
        value.update(|cron| *cron = with_zone(&zone, split_zone(cron).1));
    };
    let option = |zone: String| view! { <option value=zone></option> };
    view! {
        <input
            list="time-zones"
            name="zone"
            aria-label=tr("Time zone")
            placeholder="UTC"
            spellcheck="false"
            autocapitalize="off"
            prop:value=zone
            on:change=change
        />
        <datalist id="time-zones">{zones().into_iter().map(option).collect_view()}</datalist>
    }
}

/// The browser's own zone first, then all that it knows.
fn zones() -> Vec<String> {
    let get = |of: &JsValue, key: &str| js_sys::Reflect::get(of, &key.into()).ok();
    let call = |of: &JsValue, key: &str, with: &JsValue| {
        let function = get(of, key)?.dyn_into::<js_sys::Function>().ok()?;
        function.call1(of, with).ok()
    };
    let Some(intl) = get(&window(), "Intl") else { return Vec::new() };
    let own = call(&intl, "DateTimeFormat", &JsValue::UNDEFINED)
        .and_then(|format| call(&format, "resolvedOptions", &JsValue::UNDEFINED))
        .and_then(|options| get(&options, "timeZone"));
    let known = call(&intl, "supportedValuesOf", &"timeZone".into()).map(|all| js_sys::Array::from(&all));
    let mut names: Vec<String> =
        own.into_iter().chain(known.into_iter().flatten()).filter_map(|name| name.as_string()).collect();
    names.insert(1.min(names.len()), "UTC".to_owned());
    names
}

/// What the manager says that it means.
#[component]
fn Meaning(value: RwSignal<String>, rhythm: Memo<Option<Rhythm>>) -> impl IntoView {
    let answer = asked(value);
    let shown = move || match answer.get()? {
        Ok(meaning) => Some(view! { <NextRuns meaning rhythm=rhythm.get_untracked() /> }.into_any()),
        Err(error) => {
            let message = format!("{} {}", error.message, error.next_step);
            Some(view! { <p class="hint error">{message}</p> }.into_any())
        }
    };
    view! { <div class="cron-meaning" aria-live="polite" data-testid="cron-meaning">{shown}</div> }
}

#[component]
fn NextRuns(meaning: Thing, rhythm: Option<Rhythm>) -> impl IntoView {
    let zone = meaning.text("timeZone").to_owned();
    let now = clock::now();
    let run = |text: String| {
        let until = time::parse(&text).map(|at| fill("in {}", &[&words::span(u64::try_from(at - now).unwrap_or(0))]));
        // Longer than to the minute is more than a cron can say.
        let on_clock = text.get(..16).unwrap_or(&text).replace('T', " ");
        view! { <li><time datetime=text.clone()>{on_clock}</time>" "<span class="xs">{until}</span></li> }
    };
    view! {
        <p><strong>{schedule(meaning.text("schedule"), rhythm)}</strong>" "<span class="dim">{zone}</span></p>
        <ol class="next-runs" aria-label=tr("Next runs")>{meaning.texts("nextRuns").into_iter().map(run).collect_view()}</ol>
    }
}

/// The answer to the latest text; older ones that come later are not shown.
fn asked(value: RwSignal<String>) -> RwSignal<Option<Result<Thing, ApiError>>> {
    let answer = RwSignal::new(None);
    let latest = StoredValue::new(0_u64);
    Effect::new(move |before: Option<()>| {
        let cron = value.get();
        let number = latest.get_value() + 1;
        latest.set_value(number);
        let ask = move || {
            if latest.try_get_value() != Some(number) {
                return;
            }
            spawn_local(async move {
                let cron = String::from(js_sys::encode_uri_component(&cron));
                let told = api::get(&format!("v1/schedule?cron={cron}")).await;
                if latest.try_get_value() == Some(number) {
                    _ = answer.try_set(Some(told));
                }
            });
        };
        set_timeout(ask, if before.is_some() { PAUSE } else { Duration::ZERO });
    });
    answer
}

/// A schedule in words: ours where the cron is a rhythm, else the manager's.
pub(crate) fn schedule(told: &str, rhythm: Option<Rhythm>) -> String {
    let Some(rhythm) = rhythm else { return told.to_owned() };
    let (clock, minute) = (rhythm.clock(), format!("{:02}", rhythm.minute));
    match rhythm.every {
        Every::Minutes if rhythm.step == 1 => tr("Every minute").to_owned(),
        Every::Minutes => fill("Every {} minutes", &[&rhythm.step]),
        Every::Hour => fill("Every hour at minute {}", &[&minute]),
        Every::Hours => fill("Every {0} hours at minute {1}", &[&rhythm.step, &minute]),
        Every::Day => fill("Every day at {}", &[&clock]),
        Every::Week => {
            let chosen = [1, 2, 3, 4, 5, 6, 0].into_iter().filter(|day| rhythm.days >> day & 1 == 1);
            let days: Vec<&str> = chosen.map(weekday).collect();
            fill("Every {0} at {1}", &[&days.join(", "), &clock])
        }
        Every::Month => fill("On day {0} of every month at {1}", &[&rhythm.day, &clock]),
    }
}

fn words_of_kind(every: Every) -> &'static str {
    match every {
        Every::Minutes => tr("Every few minutes"),
        Every::Hour => tr("Every hour"),
        Every::Hours => tr("Every few hours"),
        Every::Day => tr("Every day"),
        Every::Week => tr("Every week"),
        Every::Month => tr("Every month"),
    }
}

fn weekday(day: u32) -> &'static str {
    match day {
        1 => tr("Mon"),
        2 => tr("Tue"),
        3 => tr("Wed"),
        4 => tr("Thu"),
        5 => tr("Fri"),
        6 => tr("Sat"),
        _ => tr("Sun"),
    }
}
