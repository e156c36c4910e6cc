//! The present, as a signal: relative times in the page stay true without a reload.

use std::time::Duration;

use leptos::prelude::*;

use crate::model::time;
use crate::words::told;

const TICK: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
struct Clock(RwSignal<i64>);

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit for 290 million years")]
    let milliseconds = js_sys::Date::now() as i64;
    milliseconds / 1000
}

/// Starts the clock for everything below.
pub(crate) fn start() {
    let clock = RwSignal::new(now());
    provide_context(Clock(clock));
    set_interval(move || clock.set(now()), TICK);
}

/// Seconds since 1970; whoever reads it runs again with each tick.
pub(crate) fn ticking() -> Signal<i64> {
    expect_context::<Clock>().0.into()
}

/// A sentence of the manager in the language of the user, with its times as the clock on the wall shows them.
pub(crate) fn localized(sentence: &str) -> String {
    told(&time::localized(sentence, wall_time))
}

/// A time as the clock on the wall shows it: `2026-11-21 04:02:36`, in the time zone of the browser.
pub(crate) fn wall_time(seconds: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
    let date = js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(seconds as f64 * 1000.0));
    format!(
        "{}-{:02}-{:02} {:02}:{:02}:{:02}",
        date.get_full_year(),
        date.get_month() + 1,
        date.get_date(),
        date.get_hours(),
        date.get_minutes(),
        date.get_seconds()
    )
}
