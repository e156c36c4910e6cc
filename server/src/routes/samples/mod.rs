//! What volumes did and what disks had, over time.

pub mod get;

use aurochs_api::sample::{Samples, SamplesQuestion};

use crate::nouns::Noun;

/// There is nothing to list: each answer is made for its question.
pub fn noun() -> Noun {
    Noun::of::<Samples>().ask_at::<SamplesQuestion, _>("/v1/samples", get::handle).done()
}
