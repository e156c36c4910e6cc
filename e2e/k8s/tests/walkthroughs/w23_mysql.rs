//! W23: a database in a Deployment.

use aurochs_e2e_k8s::Namespace;

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w23_the_database_is_still_there() {
    let namespace = Namespace::new("w23");
    namespace.apply("w23-mysql.yaml");
    let pod = namespace.labelled_pod("app=mysql");
    let ask = "mariadb --socket=/run/mysqld/mysqld.sock --connect-timeout=10 --wait --execute";
    pod.run(&format!(
        "{ask} 'CREATE DATABASE walkthrough; CREATE TABLE walkthrough.t (n INT); INSERT INTO walkthrough.t VALUES (23)'"
    ));
    pod.delete();
    let pod = namespace.labelled_pod("app=mysql");
    assert_eq!(pod.run(&format!("{ask} 'SELECT n FROM walkthrough.t' --skip-column-names")), "23");
}
