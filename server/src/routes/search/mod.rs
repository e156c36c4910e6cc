//! One search over everything.

pub mod get;

use aurochs_api::search::{Search, SearchQuestion};

use crate::nouns::Noun;

/// There is nothing to list: each answer is made for its question.
pub fn noun() -> Noun {
    Noun::of::<Search>().ask_at::<SearchQuestion, _>("/v1/search", get::handle).done()
}
