//! Thousands of volumes in the store: what a list costs, what followers of the streams cost, and that they all get the
//! last word. `make load` runs it optimised with the limits of time; without them (`make test`) it checks sizes, memory
//! and content.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says by panicking what went wrong, and what it measured"
)]

#[path = "api/harness.rs"]
#[expect(dead_code, reason = "another suite uses the rest")]
mod harness;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aurochs_api::size::ByteSize;
use aurochs_api::volume::VolumeState;
use aurochs_server::resources::engine::EngineSpec;
use aurochs_server::resources::replica::ReplicaSpec;
use aurochs_server::resources::volume::VolumeSpec;
use aurochs_server::resources::{Engine, Object, Replica, Volume, VolumeAttachment};
use aurochs_server::store::Store;
use futures::StreamExt;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use harness::{Manager, PASSWORD, USER, basic};

const REPLICAS: usize = 3;
const CLIENTS: usize = 50;
/// The list's limit, as browsers and scripts get it.
const COMPRESSED_MAXIMUM_BYTES: usize = 3 << 20;
const LIST_MAXIMUM: Duration = Duration::from_millis(150);
/// Memory that the manager needs for all clients: far less than a text of the list for each of them.
const GROWTH_MAXIMUM_BYTES: u64 = 400 << 20;
/// A test that hangs should fail.
const PATIENCE: Duration = Duration::from_secs(300);

/// Number of volumes: all that the product promises where speed is measured, fewer in a debug build.
fn volumes() -> usize {
    let asked = std::env::var("AUROCHS_LOAD_VOLUMES").ok().and_then(|number| number.parse().ok());
    asked.unwrap_or(if with_limits() { 5000 } else { 600 })
}

fn with_limits() -> bool {
    std::env::var_os("AUROCHS_LOAD_LIMITS").is_some()
}

fn name(number: usize) -> String {
    format!("pvc-{number:08}-5c1e-4f6a-9d0b-2f1f6c0a7e55")
}

/// Stores a volume with an engine and replicas, as after an attachment.
async fn store_volume(store: &Store, number: usize) {
    let name = name(number);
    let size = ByteSize(10 << 30);
    let spec = VolumeSpec { size, number_of_replicas: 3, ..VolumeSpec::default() };
    let volume = store.create(&Object::<Volume>::new(&name, spec)).await.unwrap();
    store.modify_status::<Volume>(&name, |status| status.state = VolumeState::Detached).await.unwrap();
    let spec = EngineSpec { volume_name: name.clone(), ..EngineSpec::default() };
    store.create(&Object::<Engine>::new(format!("{name}-e-0"), spec).owned_by_volume(&volume)).await.unwrap();
    for replica in 0..REPLICAS {
        let spec = ReplicaSpec {
            volume_name: name.clone(),
            volume_size: size,
            node_id: format!("node-{}", (number + replica) % 5),
            disk_path: "/var/lib/longhorn".into(),
            data_directory_name: format!("{name}-{replica:08x}"),
            ..ReplicaSpec::default()
        };
        let replica = Object::<Replica>::new(format!("{name}-r-{replica:08x}"), spec).owned_by_volume(&volume);
        store.create(&replica).await.unwrap();
    }
    store.create(&Object::<VolumeAttachment>::new(&name, Default::default()).owned_by_volume(&volume)).await.unwrap();
}

async fn fill(store: &Store) {
    let numbers = futures::stream::iter(0..volumes());
    numbers.for_each_concurrent(16, |number| store_volume(store, number)).await;
}

async fn get(address: SocketAddr, encoding: &str) -> (Duration, reqwest::header::HeaderMap, bytes::Bytes) {
    let client = reqwest::Client::builder().build().unwrap();
    let request = client.get(format!("http://{address}/v1/volumes")).header("accept-encoding", encoding);
    let started = Instant::now();
    let answer = request.header("authorization", basic(USER, PASSWORD)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let headers = answer.headers().clone();
    let body = answer.bytes().await.unwrap();
    (started.elapsed(), headers, body)
}

fn unzip(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(body), &mut text).unwrap();
    text
}

/// Bytes of memory that this process has now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Follows the list until it says that the marked volume is attaching; answers with the number of messages.
async fn follow(address: SocketAddr, path: &'static str, marked: String) -> usize {
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    request.headers_mut().insert("authorization", basic(USER, PASSWORD).parse().unwrap());
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let (mut socket, _) = tokio_tungstenite::connect_async_with_config(request, Some(config), false).await.unwrap();
    let mut messages = 0;
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => {
                messages += 1;
                // Parsing all of it for fifty clients would measure the test.
                let at = text.find(&format!("\"id\":\"{marked}\"")).map(|at| &text[at..]);
                let next = |text: &str| text[1..].find("\"id\":\"pvc-").map_or(text.len(), |end| end + 1);
                if at.is_some_and(|text| text[..next(text)].contains("\"state\":\"attaching\"")) {
                    return messages;
                }
            }
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_volumes() {
    let manager = Manager::start().await;
    fill(manager.store()).await;
    let address = manager.listen().await;

    let (first, _, plain) = get(address, "identity").await;
    let list: Value = serde_json::from_slice(&plain).unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), volumes());
    let names: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|volume| volume["id"].as_str().unwrap()).collect();
    assert!(names.is_sorted());
    let (warm, headers, zipped) = get(address, "gzip").await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(zipped.len() < COMPRESSED_MAXIMUM_BYTES, "{}", zipped.len());
    assert!(unzip(&zipped) == plain);

    manager.store().modify_status::<Volume>(&name(7), |status| status.state = VolumeState::Detaching).await.unwrap();
    let (changed, _, zipped_again) = get(address, "gzip").await;
    assert!(zipped_again != zipped, "a change is seen at once");
    println!(
        "{} volumes: {} KiB, {} KiB compressed; list {first:?} at first, {warm:?}, {changed:?} after a change",
        volumes(),
        plain.len() >> 10,
        zipped.len() >> 10
    );
    if with_limits() {
        assert!(warm < LIST_MAXIMUM && changed < LIST_MAXIMUM, "{warm:?}, {changed:?}");
    }
    drop((list, plain, zipped, zipped_again));
    followers_get_the_last_word(&manager, address).await;
}

/// In a process of their own, so that the manager's memory can be told from theirs.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test of thousands of volumes"]
async fn followers() {
    let address: SocketAddr = std::env::var("AUROCHS_LOAD_ADDRESS").unwrap().parse().unwrap();
    let marked = std::env::var("AUROCHS_LOAD_MARKED").unwrap();
    let followers = (0..CLIENTS).map(|number| {
        let path = if number % 2 == 0 { "/v1/ws/1s/volumes" } else { "/v1/ws/0s/volumes" };
        tokio::spawn(tokio::time::timeout(PATIENCE, follow(address, path, marked.clone())))
    });
    let mut messages = 0;
    for follower in followers.collect::<Vec<_>>() {
        messages += follower.await.unwrap().expect("the last word in time");
    }
    println!("{CLIENTS} followers got {messages} lists");
}

/// For `make bench-ui`: says where it is, and changes a few volumes a second until somebody ends it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs until it is ended; scripts/bench-ui.sh starts it"]
async fn serves_a_browser() {
    let manager = Manager::start().await;
    fill(manager.store()).await;
    let address = manager.listen().await;
    println!("user: {USER}\npassword: {PASSWORD}\nhttp://{address}/");
    for round in 0.. {
        for number in 0..5 {
            let name = name((round * 5 + number) % volumes());
            let bytes = ByteSize(((round % 1000) as u64 + 1) << 20);
            manager.store().modify_status::<Volume>(&name, |status| status.actual_size = bytes).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn followers_get_the_last_word(manager: &Manager, address: SocketAddr) {
    let marked = name(volumes() / 2);
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "followers", "--nocapture"])
        .env("AUROCHS_LOAD_ADDRESS", address.to_string())
        .env("AUROCHS_LOAD_MARKED", &marked)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let before = resident();
    let mut most = 0;
    // A hundred volumes change a second, the marked one last.
    for round in 0..5 {
        let tick = Instant::now();
        for number in 0..100 {
            let name = name((round * 100 + number) % volumes());
            if name != marked {
                let bytes = ByteSize((round as u64 + 1) << 20);
                manager.store().modify_status::<Volume>(&name, |status| status.actual_size = bytes).await.unwrap();
            }
            most = most.max(resident());
        }
        tokio::time::sleep_until((tick + Duration::from_secs(1)).into()).await;
    }
    manager.store().modify_status::<Volume>(&marked, |status| status.state = VolumeState::Attaching).await.unwrap();
    let mut watch = tokio::time::interval(Duration::from_millis(20));
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended.unwrap(),
            _ = watch.tick() => most = most.max(resident()),
        }
    };
    assert!(ended.success(), "followers did not get the last word");
    let growth = most.saturating_sub(before);
    println!("memory {} MiB, at most {} MiB more with {CLIENTS} followers", before >> 20, growth >> 20);
    assert!(growth < GROWTH_MAXIMUM_BYTES, "{} MiB", growth >> 20);
}
