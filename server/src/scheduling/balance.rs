//! Balance: which replica would be better elsewhere, so that repeated moves come to an end.
//!
//! Not built yet.
