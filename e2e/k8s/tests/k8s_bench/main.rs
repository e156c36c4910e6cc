//! `make bench-k8s`: many volumes made through claims. How fast, how many requests to the API server for each, what is asked at
//! rest, and the manager's memory. Printed; nothing is judged.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aurochs_e2e_k8s::{Product, kubectl, processes};
use serde_json::{Value, json};

const VOLUMES: usize = 1000;
/// How long it is looked at rest.
const REST: Duration = Duration::from_secs(120);
const NAMESPACE: &str = "bench";

/// Requests that the API server counted, by verb: of our own kinds, and of leases.
fn requests() -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in kubectl::run(&["get", "--raw", "/metrics"]).lines() {
        let Some(rest) = line.strip_prefix("apiserver_request_total{") else { continue };
        let Some((labels, count)) = rest.split_once("} ") else { continue };
        let label = |name: &str| labels.split(&format!("{name}=\"")).nth(1)?.split('"').next();
        if label("group") == Some("longhorn.io") {
            let count: f64 = count.parse().unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter")]
            let count = count as u64;
            *counts.entry(label("verb").unwrap_or_default().to_owned()).or_default() += count;
        }
    }
    counts
}

fn difference(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let since = |(verb, count): (&String, &u64)| (verb.clone(), count - before.get(verb).copied().unwrap_or_default());
    after.iter().map(since).filter(|(_, count)| *count > 0).collect()
}

#[test]
#[ignore = "a measurement: make bench-k8s"]
#[expect(clippy::cast_precision_loss, reason = "it is printed")]
fn many_volumes_through_claims() {
    let volumes = std::env::var("VOLUMES").map_or(VOLUMES, |number| number.parse().unwrap());
    let product = Product::get();
    kubectl::run(&["create", "namespace", NAMESPACE]);
    let claims: Vec<Value> = (0..volumes)
        .map(|number| {
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": format!("claim-{number}"), "namespace": NAMESPACE},
                "spec": {
                    "accessModes": ["ReadWriteOnce"], "storageClassName": "longhorn",
                    "resources": {"requests": {"storage": "10Mi"}},
                },
            })
        })
        .collect();
    let claims = json!({"apiVersion": "v1", "kind": "List", "items": claims}).to_string();
    println!("manager before: {} MiB", processes::memory(product.manager()));

    let (before, start) = (requests(), Instant::now());
    kubectl::with_input(&["create", "-f", "-"], &claims);
    println!("{volumes} claims created after {:.1} s", start.elapsed().as_secs_f64());
    kubectl::run(&["-n", NAMESPACE, "wait", "--for=jsonpath={.status.phase}=Bound", "--timeout=3600s", "pvc", "--all"]);
    let seconds = start.elapsed().as_secs_f64();
    println!("all bound after {seconds:.1} s: {:.1} a second", volumes as f64 / seconds);
    let made = difference(&before, &requests());
    let each = made.values().sum::<u64>() as f64 / volumes as f64;
    println!("requests about our kinds: {each:.1} a volume: {made:?}");
    println!("manager with them: {} MiB", processes::memory(product.manager()));

    // What was begun is done.
    std::thread::sleep(REST / 4);
    let before = requests();
    std::thread::sleep(REST);
    println!("in {} s at rest: {:?}", REST.as_secs(), difference(&before, &requests()));
    println!("manager at rest: {} MiB", processes::memory(product.manager()));

    let start = Instant::now();
    kubectl::run(&["delete", "namespace", NAMESPACE, "--timeout=3600s"]);
    kubectl::run(&[
        "-n",
        aurochs_e2e_k8s::product::NAMESPACE,
        "wait",
        "--for=delete",
        "--timeout=3600s",
        "volumes.longhorn.io",
        "--all",
    ]);
    let seconds = start.elapsed().as_secs_f64();
    println!("all deleted after {seconds:.1} s: {:.1} a second", volumes as f64 / seconds);
    println!("manager at the end: {} MiB", processes::memory(product.manager()));
}
