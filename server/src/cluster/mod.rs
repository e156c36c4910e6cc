//! What there is in a Kubernetes cluster only.

pub mod driver;
