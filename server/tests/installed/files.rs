//! Files out of a snapshot by the API: what was there when it was taken, whatever was written since.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use axum::body::to_bytes;
use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use crate::installation::{Installation, MIB, VOLUME};
use crate::nbd::Nbd;

/// Bytes of the file system; the volume is larger.
const IMAGE: usize = 24 << 20;
const FILES: &str = "/v1/volumes/vol/files";

/// A file system with these files.
pub(crate) fn image(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let (source, image) = (place.path().join("source"), place.path().join("image"));
    for (name, content) in files {
        let path = source.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    std::os::unix::fs::symlink("etc/motd", source.join("link")).unwrap();
    let mut command = Command::new("mke2fs");
    command
        .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-d"])
        .arg(source)
        .arg(&image)
        .arg((IMAGE >> 20).to_string() + "M");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    std::fs::read(image).unwrap()
}

pub(crate) fn write(uri: &str, image: &[u8]) {
    let mut nbd = Nbd::connect(uri).unwrap();
    for (index, piece) in image.chunks(1 << 20).enumerate() {
        nbd.write(index as u64 * MIB, piece).unwrap();
    }
}

pub(crate) fn noise(seed: u32) -> Vec<u8> {
    (0..3_000_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) ^ seed).to_le_bytes()[3]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_files_are_listed_and_downloaded_while_the_volume_goes_on() {
    let installation = Installation::with_volume(2, "nbd").await;
    installation.attach_by_api(false).await;
    let uri = installation.engine().await.status.nbd_uri;
    let old = image(&[("etc/motd", b"before\n".to_vec()), ("data/large ü", noise(1)), ("gone", b"x".to_vec())]);
    let new = image(&[("etc/motd", b"after\n".to_vec()), ("data/large ü", noise(2))]);
    tokio::task::block_in_place(|| write(&uri, &old));
    installation.act("snapshotCreate", json!({"name": "before"})).await;
    tokio::task::block_in_place(|| write(&uri, &new));
    installation.act("snapshotCreate", json!({"name": "after"})).await;

    let names = async |query: &str| -> BTreeMap<String, Value> {
        let list = installation.call("GET", &format!("{FILES}?{query}"), Value::Null).await;
        assert_eq!((&list["type"], &list["resourceType"]), (&json!("collection"), &json!("file")));
        let files = list["data"].as_array().unwrap().iter();
        files.map(|file| (file["name"].as_str().unwrap().to_owned(), file.clone())).collect()
    };
    let root = names("snapshot=before").await;
    assert_eq!(root.keys().collect::<Vec<_>>(), ["data", "etc", "gone", "link", "lost+found"]);
    assert_eq!(root["link"]["target"], "etc/motd");
    assert!(!names("snapshot=after").await.contains_key("gone"));
    let data = names("snapshot=before&path=/data").await;
    let large = &data["large ü"];
    assert_eq!((&large["size"], &large["kind"], &large["mode"]), (&json!(3_000_000), &json!("file"), &json!("0644")));

    // A link in the answer leads to the file.
    let content = large["links"]["content"].as_str().unwrap();
    let (_, content) = content.split_once("/v1/").unwrap();
    let content = format!("/v1/{content}");
    let answer = installation.response(&content, None).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/octet-stream");
    assert_eq!(answer.headers()[header::CONTENT_LENGTH], "3000000");
    assert!(
        answer.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().ends_with("filename*=UTF-8''large%20%C3%BC")
    );
    assert!(to_bytes(answer.into_body(), 4 << 20).await.unwrap() == noise(1), "the old content");
    let part = installation.response(&content, Some("bytes=1000000-1000999")).await;
    assert_eq!(
        (part.status(), part.headers()[header::CONTENT_RANGE].to_str().unwrap()),
        (StatusCode::PARTIAL_CONTENT, "bytes 1000000-1000999/3000000")
    );
    assert!(to_bytes(part.into_body(), 4 << 20).await.unwrap() == noise(1)[1_000_000..1_001_000]);
    for (snapshot, text) in [("before", "before\n"), ("after", "after\n")] {
        assert_eq!(installation.text(&format!("{FILES}/content?snapshot={snapshot}&path=/link")).await, text);
    }

    // The folder as a tar.
    let tar = installation.response(&format!("{FILES}/content?snapshot=before&path=/data"), None).await;
    assert_eq!(tar.headers()[header::CONTENT_TYPE], "application/x-tar");
    let tar = to_bytes(tar.into_body(), 8 << 20).await.unwrap();
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    unpack(&tar, place.path());
    assert!(std::fs::read(place.path().join("data/large ü")).unwrap() == noise(1));

    refusals(&installation).await;

    // Who looked at what.
    let audits = installation.call("GET", "/v1/audits?objectType=file", Value::Null).await;
    let read = |audit: &&Value| {
        audit["object"] == VOLUME
            && audit["path"] == format!("{FILES}/content")
            && audit["input"].as_str().is_some_and(|input| input.contains("/link"))
    };
    let audits = audits["data"].as_array().unwrap();
    assert_eq!(audits.iter().filter(read).count(), 2, "{audits:?}");
    // A download that nobody takes ends, and its place is free again.
    for _ in 0..6 {
        drop(installation.response(&content, None).await);
    }
    assert_eq!(installation.response(&content, None).await.status(), StatusCode::OK);
    installation.stop().await;
}

pub(crate) fn unpack(tar: &[u8], place: &Path) {
    let file = place.join("folder.tar");
    std::fs::write(&file, tar).unwrap();
    let output = Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(place).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

async fn refusals(installation: &Installation) {
    for (query, status, words) in [
        ("", StatusCode::UNPROCESSABLE_ENTITY, "none is named"),
        ("?snapshot=none", StatusCode::NOT_FOUND, "no snapshot"),
        ("?snapshot=before&path=/nowhere", StatusCode::NOT_FOUND, "there is no /nowhere"),
        ("?snapshot=before&path=/gone", StatusCode::UNPROCESSABLE_ENTITY, "no directory"),
        ("?snapshot=before&path=/../etc", StatusCode::UNPROCESSABLE_ENTITY, "\"..\""),
        ("?snapshot=before&partition=1", StatusCode::UNPROCESSABLE_ENTITY, "no partition 1"),
        ("?snapshot=before&limit=0", StatusCode::UNPROCESSABLE_ENTITY, "limit"),
    ] {
        let (got, answer) = installation.answer("GET", &format!("{FILES}{query}"), Value::Null).await;
        assert!(got == status && answer["message"].as_str().unwrap().contains(words), "{query}: {got} {answer}");
    }
    let page = installation.call("GET", &format!("{FILES}?snapshot=before&limit=2"), Value::Null).await;
    let next = page["links"]["next"].as_str().unwrap().split_once("/v1/").unwrap().1;
    let page = installation.call("GET", &format!("/v1/{next}"), Value::Null).await;
    assert_eq!(page["data"][0]["name"], "gone", "{page}");
}
