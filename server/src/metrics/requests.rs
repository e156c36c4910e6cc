//! How long the API took to answer, by route.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};

use super::histogram::Histogram;
use super::page::{Kind, Page};

const BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Method, route and class of the status: as many as there are routes, whatever clients send.
type Key = (&'static str, String, &'static str);

static ANSWERS: LazyLock<Mutex<BTreeMap<Key, Histogram>>> = LazyLock::new(Mutex::default);

/// A request to this route (as the router writes it; empty for none) was answered.
pub fn answered(method: &Method, route: &str, status: StatusCode, took: Duration) {
    let key = (method_word(method), if route.is_empty() { "none" } else { route }.to_owned(), class(status));
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    answers.entry(key).or_insert_with(|| Histogram::new(BOUNDS)).observe(took);
}

/// Clients can invent methods.
fn method_word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        0..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

pub(super) fn write(page: &mut Page) {
    let answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut family = page.family(
        "aurochs_api_request_duration_seconds",
        Kind::Histogram,
        "Time that the API took to answer, by route.",
    );
    for ((method, route, code), histogram) in &*answers {
        family.histogram(&[("method", method), ("route", route), ("code", code)], histogram);
    }
}
