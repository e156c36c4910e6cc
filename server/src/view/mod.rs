//! From resources in the store to the shapes of the API. Pure functions: what they need is handed in.

pub mod envelope;
