//! Logging in and out, and who is logged in.

pub mod get;
pub mod log_in;
pub mod log_out;
