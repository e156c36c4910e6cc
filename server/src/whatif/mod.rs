//! What would happen: answers to questions about changes that nobody makes.
//!
//! 1. [`picture`] — the store at one moment;
//! 2. [`places`], [`volumes`], [`snapshots`], [`usage`], [`limits`] — what the change is to the picture, a file for each
//!    kind of question;
//! 3. [`crate::controllers::volume::foresee`] — what the controllers would then do with each volume, by their own rules;
//! 4. [`tally`] — figures, verdict and words.
//!
//! Invariants: nothing is written and no process is asked. Placements count for those that come after them, volume by
//! volume in the order of their names; the controllers go by whichever volume's turn comes, so that of volumes which want
//! the same room another one may get it.

mod limits;
pub mod picture;
mod places;
mod snapshots;
mod tally;
#[cfg(test)]
mod tests;
mod usage;
mod volumes;

use aurochs_api::whatif::{Change, Question, WhatIf};

use crate::error::{ApiError, ErrorKind};
use picture::Picture;

/// The answer, or why the question makes no sense.
pub fn answer(question: &Question, picture: &Picture) -> Result<WhatIf, ApiError> {
    let answer = match question.change {
        Change::EvictNode | Change::DrainNode | Change::EvictDisk => places::emptied(question, picture)?,
        Change::RemoveNode | Change::RemoveDisk => places::lost(question, picture)?,
        Change::ReplicaCount => volumes::replica_count(question, picture)?,
        Change::Expand => volumes::expanded(question, picture)?,
        Change::DeleteSnapshot => snapshots::deleted(question, picture)?,
        Change::Detach => usage::detached(question, picture)?,
        Change::DeleteVolume => usage::deleted(question, picture)?,
        Change::SpaceLimits => limits::changed(question, picture)?,
    };
    Ok(WhatIf { question: question.clone(), ..answer })
}

fn missing(field: &str, example: &str) -> ApiError {
    let message = format_args!("the question needs {field}");
    ApiError::new(ErrorKind::Invalid, message, format_args!("Ask, for example, ?{example}."))
}
