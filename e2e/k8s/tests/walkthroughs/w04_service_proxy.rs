//! W04, W05: the dashboard through the API server's service proxy, as Rancher's link has it, and its login.

use aurochs_e2e_k8s::product::NAMESPACE;
use aurochs_e2e_k8s::{Product, Visitor, directory, kubectl};

fn path() -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/services/http:longhorn-frontend:80/proxy/")
}

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w04_pages_programs_and_data_come_through_the_proxy() {
    Product::get().wait_until_ready();
    let file = |name: &str| directory().join("pki").join(name).display().to_string();
    let way = ["--cacert", &file("ca.crt"), "--cert", &file("admin.crt"), "--key", &file("admin.key")];
    let root = format!("https://127.0.0.1{}", path());
    let visitor = Visitor::log_in("w04", &root, &way.map(str::to_owned));
    let page = visitor.open("");
    assert!(page.contains("<title>Aurochs</title>"), "{page}");
    // What the page names is found below the same prefix.
    let program = page.split('"').find(|word| word.ends_with(".js")).unwrap_or_else(|| panic!("no program in {page}"));
    assert!(!program.starts_with('/'), "{program} would be looked for at the API server");
    assert!(visitor.open(program.trim_start_matches("./")).contains("wasm"));
    assert!(visitor.open("v1/volumes").contains("\"data\""));
}

#[test]
#[ignore = "needs a Kubernetes with a node: make test-k8s"]
fn w05_nobody_is_let_in_without_a_login() {
    Product::get().wait_until_ready();
    let refused = kubectl::attempt(&["get", "--raw", &format!("{}v1/volumes", path())], "").unwrap_err();
    assert!(refused.contains("You must be logged in"), "{refused}");
}
