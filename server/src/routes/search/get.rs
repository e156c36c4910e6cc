//! `GET /v1/search?q=…`

use std::collections::BTreeSet;

use aurochs_api::schema::Resource;
use aurochs_api::search::{Found, FoundKind, Search, SearchQuestion};
use axum::Json;
use axum::extract::{Query, State};

use crate::app::App;
use crate::error::{ApiError, ErrorKind};
use crate::search::{RESULTS_DEFAULT, RESULTS_MAXIMUM, Words};
use crate::view::envelope;
use crate::web::request_url::RequestUrl;

/// The best matches, and how many there are of each type.
pub async fn handle(
    State(app): State<App>,
    url: RequestUrl,
    Query(question): Query<SearchQuestion>,
) -> Result<Json<Resource<Search>>, ApiError> {
    let kinds = kinds(&question.kind)?;
    let limit = question.limit.map_or(RESULTS_DEFAULT, |limit| usize::try_from(limit).unwrap_or(RESULTS_MAXIMUM));
    let words = Words::of(&question.q);
    if words.is_empty() {
        let message = "there is nothing to search for: q is empty";
        return Err(ApiError::new(ErrorKind::Invalid, message, "Ask, for example, ?q=data."));
    }
    let found = app.search.search(&words, &kinds, limit.min(RESULTS_MAXIMUM)).await?;
    let linked = |found: Found| Found { address: format!("{}{}", url.base(), found.address), ..found };
    let answer = Search {
        q: question.q,
        total: found.counts.values().sum(),
        counts: found.counts.into_iter().map(|(kind, count)| (kind.word().to_owned(), count)).collect(),
        results: found.results.into_iter().map(linked).collect(),
    };
    Ok(Json(envelope::singleton("search", &url, answer)))
}

fn kinds(words: &str) -> Result<BTreeSet<FoundKind>, ApiError> {
    let named = words.split(',').map(str::trim).filter(|word| !word.is_empty());
    let of = |word: &str| {
        FoundKind::of_word(word).ok_or_else(|| {
            let known: Vec<&str> = FoundKind::ALL.into_iter().map(FoundKind::word).collect();
            let message = format_args!("nothing of type {word:?} is searched");
            ApiError::new(ErrorKind::Invalid, message, format_args!("Types: {}.", known.join(", ")))
        })
    };
    named.map(of).collect()
}
