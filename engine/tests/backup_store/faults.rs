//! Lines and servers that go bad in the middle: what passes is got over, what stays is said.

use std::process::Command;

use aurochs_engine::backup::{ErrorKind, Settings, Store};
use bytes::Bytes;

use crate::proxy::Proxy;
use crate::s3_server::{BUCKET, S3Server, credentials, url};
use crate::{impatient, is_explained, target};

const PATH: &str = "backupstore/v/blocks/ab/cd/abcd.blk";
const ALWAYS: u64 = u64::MAX;

fn block() -> Bytes {
    (0..2u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A server, a bad line to it, and a store at the end of the line.
async fn behind_proxy(settings: &Settings) -> (S3Server, Proxy, Store) {
    let server = S3Server::start();
    let proxy = Proxy::start(server.port()).await;
    let store = Store::open_with(&target(&url(BUCKET, ""), credentials(&proxy.endpoint())), settings).await.unwrap();
    (server, proxy, store)
}

#[tokio::test]
async fn a_server_that_fails_for_a_while_is_asked_again() {
    let (_server, proxy, store) = behind_proxy(&Settings::default()).await;
    proxy.answer("500 Internal Server Error", "<html>oops</html>", 2);
    store.write(PATH, block()).await.unwrap();
    assert_eq!(proxy.left(), 0);
    proxy.answer("503 Slow Down", "<Error><Code>SlowDown</Code><Message>Please</Message></Error>", 2);
    assert!(store.read(PATH).await.unwrap() == block());
    proxy.answer("502 Bad Gateway", "", 1);
    assert_eq!(store.list("backupstore").await.unwrap().directories, ["v"]);
    assert_eq!(proxy.left(), 0);
}

#[tokio::test]
async fn a_server_that_goes_on_failing_is_given_up() {
    let (_server, proxy, store) = behind_proxy(&impatient()).await;
    proxy.answer("500 Internal Server Error", "<html>oops</html>", ALWAYS);
    is_explained(&store.write(PATH, block()).await.unwrap_err(), ErrorKind::Unreachable, "answers 500");
    proxy.answer("503 Slow Down", "<Error><Code>SlowDown</Code><Message>Please</Message></Error>", ALWAYS);
    is_explained(&store.read(PATH).await.unwrap_err(), ErrorKind::Timeout, "SlowDown");
    assert!(proxy.asked.borrow().len() == 4, "each is tried twice: {:?}", proxy.asked.borrow());
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    let (_server, proxy, store) = behind_proxy(&Settings::default()).await;
    let skew = "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large</Message></Error>";
    proxy.answer("403 Forbidden", skew, ALWAYS);
    is_explained(&store.list("backupstore").await.unwrap_err(), ErrorKind::ClockSkew, "set the clock");
    proxy.answer(
        "507 Insufficient Storage",
        "<Error><Code>XMinioStorageFull</Code><Message>Full</Message></Error>",
        ALWAYS,
    );
    is_explained(&store.write(PATH, block()).await.unwrap_err(), ErrorKind::NoSpace, "free space");
    assert_eq!(proxy.asked.borrow().len(), 2);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let (_server, proxy, store) = behind_proxy(&Settings::default()).await;
    store.write(PATH, block()).await.unwrap();
    proxy.cut(1 << 20, 2);
    assert!(store.read(PATH).await.unwrap() == block(), "another block");
    assert_eq!(proxy.left(), 0);
    proxy.cut(10, 1);
    assert!(store.facts(PATH).await.unwrap().is_some());
    proxy.cut(100, 1);
    assert_eq!(store.list("backupstore/v/blocks/ab").await.unwrap().directories, ["cd"]);
}

#[tokio::test]
async fn an_answer_that_always_breaks_off_is_no_object() {
    let (_server, proxy, store) = behind_proxy(&impatient()).await;
    store.write(PATH, block()).await.unwrap();
    proxy.cut(1 << 20, ALWAYS);
    is_explained(&store.read(PATH).await.unwrap_err(), ErrorKind::Unreachable, "get backupstore/v/blocks");
}

#[tokio::test]
async fn silence_ends() {
    let (_server, proxy, store) = behind_proxy(&impatient()).await;
    proxy.silence(ALWAYS);
    is_explained(&store.write(PATH, Bytes::from("x")).await.unwrap_err(), ErrorKind::Timeout, "not answered");
    is_explained(&store.list("backupstore").await.unwrap_err(), ErrorKind::Timeout, "not answered");
    proxy.silence(1);
    store.write(PATH, Bytes::from("x")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_loses_nothing_that_was_acknowledged() {
    let mut server = S3Server::start();
    let store = Store::open_with(&server.target(""), &impatient()).await.unwrap();
    let mut written = 0;
    let store_of_writer = store.clone();
    let writer = tokio::spawn(async move {
        loop {
            if store_of_writer.write(&format!("backupstore/{written}.blk"), block()).await.is_err() {
                return written;
            }
            written += 1;
        }
    });
    // In the middle: some are there, and more are on their way.
    while store.facts("backupstore/4.blk").await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    server.kill();
    let written: u32 = writer.await.unwrap();
    is_explained(&store.read("backupstore/0.blk").await.unwrap_err(), ErrorKind::Unreachable, "refused");
    server.restart();
    for number in 0..written {
        assert!(store.read(&format!("backupstore/{number}.blk")).await.unwrap() == block(), "{number}");
    }
    // The one that was refused is there whole, or not at all; and it can be put again.
    let last = format!("backupstore/{written}.blk");
    if store.facts(&last).await.unwrap().is_some() {
        assert!(store.read(&last).await.unwrap() == block());
    }
    store.write(&last, block()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_comes_back_in_time_is_waited_for() {
    let mut server = S3Server::start();
    let store = Store::open(&server.target("")).await.unwrap();
    store.write(PATH, block()).await.unwrap();
    server.kill();
    let reading = tokio::spawn(async move { store.read(PATH).await });
    tokio::task::yield_now().await;
    server.restart();
    assert!(reading.await.unwrap().unwrap() == block());
}

#[tokio::test]
async fn requests_go_through_the_targets_proxy() {
    let server = S3Server::start();
    let proxy = Proxy::start(server.port()).await;
    // A name that only the proxy could know.
    let mut through = credentials("http://s3.invalid:9000");
    through.push(("HTTP_PROXY".to_owned(), proxy.endpoint()));
    let store = Store::open_with(&target(&url(BUCKET, ""), through.clone()), &impatient()).await.unwrap();
    store.write(PATH, block()).await.unwrap();
    assert!(store.read(PATH).await.unwrap() == block());
    assert!(
        proxy.asked.borrow()[0].starts_with("PUT http://s3.invalid:9000/backups/backupstore/"),
        "{:?}",
        proxy.asked
    );

    proxy.answer("407 Proxy Authentication Required", "", ALWAYS);
    is_explained(&store.list("backupstore").await.unwrap_err(), ErrorKind::Credentials, "HTTP_PROXY");

    through.push(("NO_PROXY".to_owned(), "s3.invalid".to_owned()));
    let store = Store::open_with(&target(&url(BUCKET, ""), through), &impatient()).await.unwrap();
    is_explained(&store.list("backupstore").await.unwrap_err(), ErrorKind::Unreachable, "name of the server");
}

/// This test, in a process of its own that has proxies in its environment; they lead nowhere.
#[tokio::test]
async fn the_proxies_of_this_process_are_not_used() {
    const ALONE: &str = "AUROCHS_TEST_WITH_PROXIES";
    if std::env::var_os(ALONE).is_some() {
        let server = S3Server::start();
        Store::open_with(&server.target(""), &impatient()).await.unwrap().test().await.unwrap();
        return;
    }
    let nowhere = "http://127.0.0.1:1";
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::the_proxies_of_this_process_are_not_used"])
        .envs(names.map(|name| (name, nowhere)))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env(ALONE, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
