//! Refusals in sentences and, for every disk that was looked at, in numbers.
//!
//! Not built yet.
