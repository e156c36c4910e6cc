//! Managers whose resources are in a Kubernetes cluster, on a real API server: `make test-k8s` runs them. The managers run
//! inside the test, instance managers are the real binary (`cargo build -p aurochs-engine`).

#![expect(clippy::unwrap_used, reason = "a test says with a panic what is wrong")]

mod admission;
mod budget;
mod helm;
mod machine;
mod member;
#[path = "../installed/nbd.rs"]
#[expect(dead_code, reason = "others use more of it")]
mod nbd;
mod nodes;
mod records;
mod turns;
