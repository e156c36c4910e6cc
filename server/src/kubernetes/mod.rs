//! What there is on Kubernetes only.

pub mod driver;
