//! W23: a database in a Deployment.

use aurochs_e2e_k8s::Namespace;

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w23_the_database_is_still_there() {
    let namespace = Namespace::new("w23");
    namespace.apply("w23-mysql.yaml");
    let pod = namespace.labelled_pod("app=mysql");
    let ask = "mariadb --socket=/run/mysqld/mysqld.sock --execute";
    // The YAML has no readiness probe: the pod is Ready before the database is.
    let come_up = format!("timeout 90 sh -c \"until {ask} 'SELECT 1' >/dev/null 2>&1; do sleep 0.2; done\"");
    pod.run(&come_up);
    pod.run(&format!(
        "{ask} 'CREATE DATABASE walkthrough; CREATE TABLE walkthrough.t (n INT); INSERT INTO walkthrough.t VALUES (23)'"
    ));
    pod.delete();
    let pod = namespace.labelled_pod("app=mysql");
    pod.run(&come_up);
    assert_eq!(pod.run(&format!("{ask} 'SELECT n FROM walkthrough.t' --skip-column-names")), "23");
}
