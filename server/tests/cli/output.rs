//! Forms of the output, watching, and the way to everything else.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::world::World;

#[test]
fn json_is_the_apis_own_and_a_pipe_gets_neither_colours_nor_cuts() {
    let world = World::start(1);
    world.volume("data", "--replicas 1");
    let listed = world.json("volume ls");
    let direct = world.json("api GET /v1/volumes");
    assert_eq!(direct["data"], listed);
    assert_eq!(world.json("volume show data"), listed[0]);
    let created = world.json("volume create more --size 64Mi");
    assert_eq!(created["type"], "volume");
    // Two replicas more than there are nodes: the cause is long, and told whole.
    world.until("the volume says what it lacks", || {
        !world.json("volume show more")["causes"].as_array().unwrap().is_empty()
    });
    let cause = world.json("volume show more")["causes"][0].clone();
    let message = cause["message"].as_str().unwrap();
    let mut narrow = world.command("volume ls");
    let table = String::from_utf8(narrow.env("COLUMNS", "40").output().unwrap().stdout).unwrap();
    assert!(table.contains(message) && !table.contains('\u{1b}'), "{table}");
    let told = world.ok("volume show more");
    assert!(told.contains(cause["code"].as_str().unwrap()) && told.contains("  next: "), "{told}");
    world.ok("volume rm more --yes");
}

#[test]
fn any_address_can_be_asked() {
    let world = World::start(1);
    let answer = world.json("api PUT /v1/settings/replica-replenishment-wait-interval {\"value\":\"10\"}");
    assert_eq!(answer["value"], "10");
    let typed = world.typed("api PUT /v1/settings/replica-replenishment-wait-interval -", "{\"value\": \"20\"}");
    assert_eq!(typed.code, 0, "{typed:?}");
    assert_eq!(world.ok("setting get replica-replenishment-wait-interval"), "20\n");
    assert!(world.ok("api GET /metrics").contains("# TYPE"));
    assert!(world.fails(4, "api GET /v1/nothing").contains("error: "));
    assert!(world.fails(2, "api GET v1/volumes").contains("slash"));
    assert!(world.fails(2, "api PUT /v1/settings/log-level {").contains("JSON"));
}

#[test]
fn what_is_watched_is_shown_again_when_it_changes_and_ctrl_c_leaves_the_work_alone() {
    let world = World::start(1);
    world.volume("data", "--replicas 1");
    let mut watch = world.command("volume ls --watch").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.by_ref().take(2).any(|line| line.contains("detached")));
    world.ok("volume attach data");
    assert!(lines.any(|line| line.contains("attached")));
    kill(Pid::from_raw(watch.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    watch.wait().unwrap();

    // Waiting for what does not come, until somebody has enough of it.
    let mut command = world.command("volume wait data --for detached");
    let waiting = command.stderr(Stdio::piped()).spawn().unwrap();
    let asked = || world.json("api GET /v1/volumes/data");
    // Until it listens to Ctrl-C, the signal would end it without a word.
    world.until("it listens to Ctrl-C", || catches(waiting.id(), Signal::SIGINT));
    kill(Pid::from_raw(waiting.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let ended = waiting.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    assert!(String::from_utf8(ended.stderr).unwrap().contains("goes on without you"));
    assert_eq!(asked()["state"], Value::from("attached"));
}

/// Whether a process has a handler for the signal.
fn catches(pid: u32, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (signal as u64 - 1)) != 0
}
