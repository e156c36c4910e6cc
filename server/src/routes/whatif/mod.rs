//! What would happen: a question in the query, and its answer.

pub mod get;

use aurochs_api::whatif::{Question, WhatIf};

use crate::nouns::Noun;

/// There is nothing to list: each answer is made for its question.
pub fn noun() -> Noun {
    Noun::of::<WhatIf>().ask_at::<Question, _>("/v1/whatif", get::handle).done()
}
