//! The walkthroughs that need a node, on a real Kubernetes: `make test-k8s` runs them below `e2e/k8s/cluster.sh`. Each is named after its
//! walkthrough, and follows it with the YAML that users have (`e2e/k8s/yaml`).

#![expect(clippy::unwrap_used, reason = "a test says with a panic what is wrong")]

mod w01_install;
mod w02_node_port;
mod w04_service_proxy;
mod w08_environment;
mod w20_storage_class;
mod w21_block;
mod w22_filesystem;
mod w23_mysql;
mod w24_tiny;
mod w26_own_class;
mod w27_w28_snapshot;
mod w29_clone;
mod w30_expand;
mod w31_kubectl;
