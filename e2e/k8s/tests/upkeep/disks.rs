//! W11: a node gets the disks that its annotation names.

use std::fs;

use aurochs_e2e_k8s::product::NAMESPACE;
use aurochs_e2e_k8s::{Product, kubectl, variable};
use serde_json::{Value, json};

const DISKS: [&str; 2] = ["/var/lib/longhorn/mnt/longhorn-sdb", "/var/lib/longhorn/mnt/longhorn-sdc"];
const LABEL: &str = "node.longhorn.io/create-default-disk";
const ANNOTATION: &str = "node.longhorn.io/default-disks-config";

fn change_disks(change: &Value) {
    let node = format!("nodes.longhorn.io/{}", variable("NODE_NAME"));
    let change = json!({"spec": {"disks": change}}).to_string();
    kubectl::run(&["-n", NAMESPACE, "patch", &node, "--type=merge", "-p", &change]);
}

/// Takes the node's disks away: each is closed first.
fn take_away(disks: &Value) {
    let each = |value: &Value| disks.as_object().unwrap().keys().map(|name| (name.clone(), value.clone())).collect();
    change_disks(&Value::Object(each(&json!({"allowScheduling": false}))));
    change_disks(&Value::Object(each(&Value::Null)));
}

fn disks() -> Value {
    kubectl::object(&["-n", NAMESPACE, "nodes.longhorn.io", &variable("NODE_NAME")])["spec"]["disks"].clone()
}

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w11_a_labelled_node_gets_exactly_these_disks() {
    let (product, node) = (Product::get(), variable("NODE_NAME"));
    product.wait_until_ready();
    let before = disks();
    DISKS.iter().for_each(|path| fs::create_dir_all(path).unwrap());
    product.set("create-default-disk-labeled-nodes", "true");
    take_away(&before);
    let wish = json!(DISKS.map(|path| json!({"path": path, "allowScheduling": true}))).to_string();
    kubectl::run(&["annotate", "node", &node, &format!("{ANNOTATION}={wish}")]);
    kubectl::run(&["label", "node", &node, &format!("{LABEL}=config")]);
    let given = kubectl::until("the node has two disks", &["-n", NAMESPACE, "nodes.longhorn.io", &node], |node| {
        node["status"]["diskStatus"].as_object().is_some_and(|disks| disks.len() == 2)
    });
    let disks = given["spec"]["disks"].as_object().unwrap();
    let mut paths: Vec<&str> = disks.values().map(|disk| disk["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert_eq!(paths, DISKS);

    // As it was.
    kubectl::run(&["label", "node", &node, &format!("{LABEL}-")]);
    kubectl::run(&["annotate", "node", &node, &format!("{ANNOTATION}-")]);
    let own = format!("nodes.longhorn.io/{node}");
    kubectl::run(&["-n", NAMESPACE, "label", &own, &format!("{LABEL}-")]);
    take_away(&given["spec"]["disks"]);
    change_disks(&before);
    product.set("create-default-disk-labeled-nodes", "false");
}
