//! What the API consists of: versions, collections, schemas.

pub mod schemas;
pub mod versions;
