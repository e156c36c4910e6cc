//! Requests that are too large, nested, or no requests at all.

use std::io::Write;
use std::net::SocketAddr;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::{Wire, assert_serves, request, status};
use crate::harness::Manager;

/// Asks each, and that the manager serves after it.
async fn assert_answers(address: SocketAddr, cases: Vec<(&str, Vec<u8>, &[Option<u16>])>) {
    for (what, bytes, expected) in cases {
        let found = status(address, bytes).await;
        assert!(expected.contains(&found), "{what}: {found:?}, not one of {expected:?}");
        assert_serves(address).await;
    }
}

fn post(head: &str, body: &str) -> Vec<u8> {
    request(&format!("POST /v1/volumes HTTP/1.1\r\n{head}"), body).into_bytes()
}

fn sized(body: &str) -> Vec<u8> {
    post(&format!("Content-Length: {}", body.len()), body)
}

fn get(path: &str) -> Vec<u8> {
    request(&format!("GET {path} HTTP/1.1"), "").into_bytes()
}

#[tokio::test]
async fn heads_that_are_none_or_too_much() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    let many_headers: String = (0..500).map(|number| format!("\r\nX-{number}: 1")).collect();
    let queries: String = (0..10_000).map(|number| format!("&p{number}=v")).collect();
    let cases: Vec<(&str, Vec<u8>, &[Option<u16>])> = vec![
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello\r\n\r\n".to_vec(), &[Some(400), None]),
        ("HTTP/2 that was not agreed", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[Some(400), Some(505), None]),
        ("raw bytes in the path", b"GET /v1/volumes/\xff\xfe HTTP/1.1\r\nHost: m\r\n\r\n".to_vec(), &[Some(400)]),
        ("a line break in a header", get("/v1/volumes HTTP/1.1\r\nX: a\rb"), &[Some(400)]),
        ("no host", b"GET /v1/volumes HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(), &[Some(401), Some(400)]),
        (
            "a header of a mebibyte",
            request(&format!("GET /v1 HTTP/1.1\r\nX: {}", "x".repeat(1 << 20)), "").into(),
            &[Some(431)],
        ),
        ("hundreds of headers", request(&format!("GET /v1 HTTP/1.1{many_headers}"), "").into(), &[Some(431)]),
        ("a path of a mebibyte", get(&format!("/v1/volumes/{}", "x".repeat(1 << 20))), &[Some(414), Some(431)]),
        ("a long name", get(&format!("/v1/volumes/{}", "x".repeat(8000))), &[Some(404)]),
        ("no text in a name", get("/v1/volumes/%ff%fe"), &[Some(400), Some(404)]),
        ("a NUL in a name", get("/v1/volumes/a%00b"), &[Some(404)]),
        ("another way up", get("/v1/volumes/..%2f..%2fetc%2fpasswd"), &[Some(404)]),
        ("thousands of parameters", get(&format!("/v1/volumes?{}", &queries[..60_000])), &[Some(200)]),
        ("an unknown method", request("BREW /v1/volumes HTTP/1.1", "").into(), &[Some(405)]),
        ("another scheme", get("ftp://elsewhere/v1/volumes"), &[Some(200), Some(400)]),
        ("a tunnel", request("CONNECT elsewhere:22 HTTP/1.1", "").into(), &[Some(404), Some(405), Some(400)]),
    ];
    assert_answers(address, cases).await;
}

#[tokio::test]
async fn bodies_that_are_no_wishes() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    let long_name = json!({"name": "x".repeat(500_000), "size": "1Gi"}).to_string();
    let keys: String = (0..50_000).map(|number| format!("\"k{number}\":1,")).collect();
    let labels: serde_json::Map<_, _> = (0..20_000).map(|number| (format!("l{number}"), json!("v"))).collect();
    let mut zipped = GzEncoder::new(Vec::new(), Compression::best());
    zipped.write_all(&vec![b' '; 64 << 20]).unwrap();
    let zipped = zipped.finish().unwrap();
    let mut bomb = post(&format!("Content-Encoding: gzip\r\nContent-Length: {}", zipped.len()), "");
    bomb.extend(zipped);
    let too_large = "x".repeat((1 << 20) + 1);
    let chunks = "10000\r\n".to_owned() + &"x".repeat(0x10000) + "\r\n";
    let cases: Vec<(&str, Vec<u8>, &[Option<u16>])> = vec![
        ("too large", sized(&too_large), &[Some(413)]),
        ("too large, in pieces", post("Transfer-Encoding: chunked", &(chunks.repeat(20) + "0\r\n\r\n")), &[Some(413)]),
        ("larger than anything", post("Content-Length: 9223372036854775807", "{}"), &[Some(413)]),
        ("a length that is none", post("Content-Length: -5", "{}"), &[Some(400)]),
        ("a length that does not fit", post("Content-Length: 99999999999999999999", "{}"), &[Some(400)]),
        ("two lengths", post("Content-Length: 2\r\nContent-Length: 7", "{}"), &[Some(400)]),
        ("a piece larger than anything", post("Transfer-Encoding: chunked", "fffffffffffffffff\r\n{}"), &[Some(400)]),
        ("a piece without a size", post("Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n"), &[Some(400)]),
        ("a bomb", bomb, &[Some(400)]),
        ("nested deeply", sized(&("[".repeat(300_000) + &"]".repeat(300_000))), &[Some(400)]),
        ("objects nested deeply", sized(&("{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000))), &[Some(400)]),
        ("a long name", sized(&long_name), &[Some(422)]),
        ("many fields", sized(&format!("{{{keys}\"name\":\"\"}}")), &[Some(422)]),
        (
            "many values",
            sized(&json!({"name": "a", "size": "1Gi", "nodeSelector": vec!["x"; 100_000]}).to_string()),
            &[Some(422), Some(413)],
        ),
        ("many labels", sized(&json!({"name": "", "labels": labels}).to_string()), &[Some(422)]),
        ("no text", sized("{\"name\": \"a\u{0}\u{1}\"}"), &[Some(400)]),
        ("a huge number", sized("{\"name\": \"a\", \"size\": 1e999999999}"), &[Some(400)]),
    ];
    assert_answers(address, cases).await;
}

/// A length that is larger than what comes: nothing is done before all is there, and nobody waits for the client.
#[tokio::test]
async fn a_body_that_is_cut_off_is_no_wish() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    let body = r#"{"name": "half", "size": "1Gi"}"#;
    let mut wire = Wire::connect(address).await;
    wire.send(post(&format!("Content-Length: {}", body.len() + 100), body)).await;
    tokio::io::AsyncWriteExt::shutdown(&mut wire.stream).await.unwrap();
    let answer = wire.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(status(address, get("/v1/volumes/half")).await, Some(404));
    // More than was told of is the next request, and none.
    let mut bytes = request("GET /v1/volumes HTTP/1.1", "").replace("Connection: close\r\n", "").into_bytes();
    bytes.extend(b"GARBAGE\x00\x01\r\n\r\n");
    let mut wire = Wire::connect(address).await;
    wire.send(bytes).await;
    let answer = wire.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("HTTP/1.1 400"), "{answer}");
    assert_serves(address).await;
}
