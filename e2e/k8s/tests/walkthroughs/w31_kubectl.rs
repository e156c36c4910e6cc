//! W31: what kubectl shows of our resources.

use aurochs_e2e_k8s::product::NAMESPACE;
use aurochs_e2e_k8s::{Namespace, kubectl};

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w31_definitions_and_columns() {
    let namespace = Namespace::new("w31");
    let definitions = kubectl::run(&["get", "crd", "-o", "name"]);
    assert!(definitions.lines().filter(|name| name.ends_with(".longhorn.io")).count() >= 20, "{definitions}");
    namespace.claim("shown", "10Mi");
    let volume = namespace.volume_of("shown");
    let table = kubectl::run(&["-n", NAMESPACE, "get", "lhv", &volume]);
    let columns: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    let longhorns = "NAME DATA ENGINE STATE ROBUSTNESS SCHEDULED SIZE NODE SWITCHOVER AGE";
    assert_eq!(columns.join(" "), longhorns);
    let definition = kubectl::object(&["crd", "backupvolumes.longhorn.io"]);
    let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
    let columns: Vec<&str> = columns.iter().filter_map(|column| column["name"].as_str()).collect();
    for column in ["CreatedAt", "LastBackupName", "LastBackupAt", "LastSyncedAt"] {
        assert!(columns.contains(&column), "{columns:?}");
    }
}
