//! The NBD protocol's own tester against real volumes: throughput, handshake, oversized requests, and
//! replays of recorded transactions, whose reads are compared with what was written.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod node;

use std::path::PathBuf;

use node::{MIB, Node, run};

/// The replays write 50 MB into an export that is empty before.
const REPLAY_SIZE: u64 = 64 * MIB;

/// The directory of the tester, which is made where it is missing.
async fn tester() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nbd-tester");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/nbd-tester.sh");
    run(script, &[directory.to_str().unwrap()]).await;
    directory
}

/// Runs the tester on a new volume, once with each list of arguments.
async fn passes(volume: &str, size: u64, copies: usize, tests: &[&[&str]]) {
    let directory = tester().await;
    let node = Node::start().await;
    let created = node.create(volume, size, copies).await;
    let engine = node.attach(&created, "nbd").await;
    let uri = engine.status().await.nbd_uri;
    let (_, socket) = uri.split_once("?socket=").expect("a unix socket");
    for test in tests {
        let transactions = test.iter().filter(|argument| argument.ends_with(".tr"));
        let transactions: Vec<_> = transactions.map(|file| directory.join(file).display().to_string()).collect();
        let mut arguments = vec!["-u", socket, "-N", volume];
        arguments.extend(test.iter().filter(|argument| !argument.ends_with(".tr")));
        arguments.extend(transactions.iter().map(String::as_str));
        run(directory.join("nbd-tester-client").to_str().unwrap(), &arguments).await;
    }
    node.stop(&engine.name).await;
    node.equal_content(&created.replicas).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throughput_handshake_and_oversized_requests() {
    // The throughput is that of writing all of it by KiB, and flushing after each.
    passes("plain", 8 * MIB, 3, &[&[], &["-w"], &["-w", "-f"], &["-h"], &["-o"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_what_was_written() {
    passes("integrity", REPLAY_SIZE, 3, &[&["-i", "-t", "integrity-test.tr"]]).await;
}

/// Requests of up to 48 MiB, 6 GB in all.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_what_was_written_in_huge_requests() {
    passes("integrityhuge", REPLAY_SIZE, 1, &[&["-i", "-t", "integrityhuge-test.tr"]]).await;
}
