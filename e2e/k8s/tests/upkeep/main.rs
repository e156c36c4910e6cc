//! What people do to a cluster that is in use: the product is upgraded, a node is taken out of service, gets its disks. One after the
//! other, since each is about the whole node.

#![expect(clippy::unwrap_used, reason = "a test says with a panic what is wrong")]

mod disks;
mod drain;
mod upgrade;

use aurochs_e2e_k8s::kubectl;
use aurochs_e2e_k8s::product::{INSTANCE_MANAGER, NAMESPACE};

/// Name and uid of the node's instance manager, once it is Ready.
fn instance_manager() -> (String, String) {
    kubectl::wait(&["-n", NAMESPACE, "--for=create", "pod", "-l", INSTANCE_MANAGER]);
    kubectl::wait(&["-n", NAMESPACE, "--for=condition=Ready", "pod", "-l", INSTANCE_MANAGER]);
    let pods = kubectl::object(&["-n", NAMESPACE, "pods", "-l", INSTANCE_MANAGER]);
    let [pod] = &pods["items"].as_array().unwrap()[..] else { panic!("not one instance manager: {pods}") };
    let text = |name: &str| pod["metadata"][name].as_str().unwrap().to_owned();
    (text("name"), text("uid"))
}
