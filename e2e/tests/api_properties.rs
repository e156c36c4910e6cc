//! A tester of APIs, schemathesis, reads `/v1/openapi.json` and asks every operation with what fits its description and
//! with what does not, on a manager with volumes in use. Whatever comes, the manager answers in time, no answer is a failure
//! of its own, and each is as the description says.
//!
//! Names that are there are put into the description, so that most requests meet something.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use aurochs_api::volume::{Volume, VolumeState};
use aurochs_e2e::Installation;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

/// Random requests for an operation, besides those that its description has one by one. They are the same each time; the
/// state that they meet differs.
const EXAMPLES: &str = "6";
/// That wrong bodies are refused is none of them: like Longhorn, the manager is lenient. Nor are wrong passwords, which
/// soon have to wait.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance";
/// Longer than the manager itself waits for anything.
const ANSWER_TIMEOUT_SECONDS: &str = "60";
/// It takes half a minute on a machine at rest.
const PATIENCE: Duration = Duration::from_secs(300);
/// What a failure prints of the tester's words, from their end.
const TOLD_LINES: usize = 120;

/// How often what the tester deleted is made again.
const FURNISH_INTERVAL: Duration = Duration::from_millis(500);

const ATTACHED: &str = "tested-attached";
const DETACHED: &str = "tested-detached";
const JOB: &str = "tested-job";
const SNAPSHOT: &str = "tested-snapshot";

fn tester() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/schemathesis.sh");
    let made = std::process::Command::new(script).arg(&directory).output().unwrap();
    assert!(made.status.success(), "{script}: {}", String::from_utf8_lossy(&made.stderr));
    directory.join("env/bin/schemathesis")
}

/// Makes what is not there (any more): the tester deletes, detaches and renames.
async fn furnish(installation: &Installation) {
    for name in [ATTACHED, DETACHED] {
        let _ = installation.create(name, "32Mi", 2).await;
    }
    let _ = installation.action(ATTACHED, "attach", json!({"hostId": "node-1"})).await;
    let _ = installation.action(ATTACHED, "snapshotCreate", json!({"name": SNAPSHOT})).await;
    let job = json!({"name": JOB, "task": "snapshot", "cron": "@daily", "retain": 1});
    let _ = installation.ask(Method::POST, "v1/recurringjobs", Some(job)).await;
}

/// Of each list, a few names; of things that the tester deletes, those that come back.
async fn names(installation: &Installation, collection: &str) -> Vec<String> {
    let list = installation.ask(Method::GET, &format!("v1/{collection}"), None).await.unwrap();
    let names = list["data"].as_array().unwrap().iter().map(|thing| thing["id"].as_str().unwrap().to_owned());
    let kept = |name: &String| !["volumes", "recurringjobs"].contains(&collection) || name.starts_with("tested-");
    names.filter(kept).collect()
}

/// The manager's description with names that are there wherever one is asked for.
async fn description(installation: &Installation) -> Value {
    let mut document = installation.ask(Method::GET, "v1/openapi.json", None).await.unwrap();
    for (path, methods) in document["paths"].as_object_mut().unwrap() {
        let Some((collection, _)) = path.trim_start_matches("/v1/").split_once("/{") else { continue };
        let known = names(installation, collection).await;
        for parameter in methods.as_object_mut().unwrap().values_mut().flat_map(parameters) {
            let known = if parameter["name"] == "node" { vec!["node-1".to_owned()] } else { known.clone() };
            suggest(&mut parameter["schema"], &known);
        }
    }
    for schema in document["components"]["schemas"].as_object_mut().unwrap().values_mut() {
        let Some(fields) = schema["properties"].as_object_mut() else { continue };
        for (name, field) in fields {
            suggest(field, &values(name));
        }
    }
    document
}

fn parameters(operation: &mut Value) -> impl Iterator<Item = &mut Value> {
    operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten()
}

/// What a field of this name can have to good effect.
fn values(field: &str) -> Vec<String> {
    let values: &[&str] = match field {
        "hostId" | "nodeID" => &["node-1", "node-2"],
        "name" => &[SNAPSHOT, JOB, "default"],
        "size" => &["32Mi", "67108864"],
        "dataSource" => &["vol://tested-attached", "snap://tested-attached/tested-snapshot"],
        "cron" => &["@daily", "*/5 * * * *"],
        "task" => &["snapshot", "snapshot-delete", "filesystem-trim"],
        _ => &[],
    };
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// One of these texts as often as any other.
fn suggest(schema: &mut Value, values: &[String]) {
    if schema["type"] == "string" && !values.is_empty() {
        *schema = json!({"anyOf": [{"type": "string", "enum": values}, schema.clone()]});
    }
}

/// The tester's command, with what it says going into `log`.
fn command(tester: &Path, installation: &Installation, document: &Path, log: File) -> Command {
    let mut command = Command::new(tester);
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis/schemathesis.toml");
    command
        .args(["--config-file", config, "run"])
        .arg(document)
        .args(["--url", &format!("http://{}", installation.address)]);
    command.args(["--auth", &format!("admin:{}", installation.password)]);
    command.args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS]);
    command.args(["--generation-deterministic", "--workers", "1", "--max-examples", EXAMPLES]);
    command.args(["--request-timeout", ANSWER_TIMEOUT_SECONDS, "--continue-on-failure"]);
    command.args(["--warnings", "off", "--no-color"]);
    // It keeps what it learnt between runs where it stands.
    command.current_dir(installation.root.path()).kill_on_drop(true).stdin(Stdio::null());
    command.stderr(log.try_clone().unwrap()).stdout(log);
    command
}

/// What to read first when it failed: the operations, then the end of what the tester says.
fn failures(text: &str) -> String {
    let is_operation = |line: &&str| line.starts_with("___") && line.contains("/v1");
    let operations = text.lines().filter(is_operation).map(|line| line.trim_matches(['_', ' ']));
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(TOLD_LINES)..];
    format!("operations: {}\n{}", operations.collect::<Vec<_>>().join(", "), last.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_fails_or_hangs_whatever_it_is_asked() {
    let tester = tester();
    let installation = Installation::start().await;
    furnish(&installation).await;
    let is_attached = |volume: &Volume| volume.state == VolumeState::Attached && !volume.endpoint().is_empty();
    installation.wait(ATTACHED, "attached", is_attached).await;
    installation.wait(DETACHED, "detached", |volume| volume.state == VolumeState::Detached).await;
    furnish(&installation).await;
    let document = installation.root.path().join("openapi.json");
    std::fs::write(&document, description(&installation).await.to_string()).unwrap();

    let told = installation.root.path().join("tester.log");
    let mut tester = command(&tester, &installation, &document, File::create(&told).unwrap()).spawn().unwrap();
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            tokio::select! {
                ended = tester.wait() => return ended.unwrap(),
                () = tokio::time::sleep(FURNISH_INTERVAL) => furnish(&installation).await,
            }
        }
    });
    let ended = ended.await.ok();
    let text = std::fs::read_to_string(told).unwrap();
    assert!(ended.is_some_and(|status| status.success()), "the tester ended with {ended:?}; {}", failures(&text));
    // A tester that asked nothing would be content, too.
    let generated = text.lines().find_map(|line| line.trim().split_once(" generated"));
    let count: usize = generated.and_then(|(count, _)| count.parse().ok()).unwrap_or_default();
    assert!(count > 1000, "{}", failures(&text));
}
