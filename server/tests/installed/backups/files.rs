//! Files out of a backup by the API: no volume has to exist for it, and little of the backup is fetched.

use std::collections::BTreeMap;

use axum::body::to_bytes;
use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use super::Target;
use crate::files::{image, noise, unpack, write};
use crate::installation::{Installation, VOLUME};

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_backup_are_listed_and_downloaded_after_its_volume_is_gone() {
    let target = Target::new();
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set_target(&target.url()).await;
    let uri = installation.engine().await.status.nbd_uri;
    let old = image(&[("etc/motd", b"before\n".to_vec()), ("data/large ü", noise(1)), ("gone", b"x".to_vec())]);
    let new = image(&[("etc/motd", b"after\n".to_vec()), ("data/large ü", noise(2))]);
    tokio::task::block_in_place(|| write(&uri, &old));
    let before = installation.back_up("before").await;
    tokio::task::block_in_place(|| write(&uri, &new));
    let after = installation.back_up("after").await;
    installation.detach_by_api().await;
    installation.call("DELETE", &format!("/v1/volumes/{VOLUME}"), Value::Null).await;
    installation
        .until("the volume is gone", async |store| {
            store.list::<aurochs_server::resources::Volume>().await.unwrap().is_empty()
        })
        .await;

    let files = format!("/v1/backupvolumes/{}/files", installation.backup_volume().await.name());
    let names = async |query: &str| -> BTreeMap<String, Value> {
        let list = installation.call("GET", &format!("{files}?{query}"), Value::Null).await;
        assert_eq!((&list["type"], &list["resourceType"]), (&json!("collection"), &json!("file")));
        let files = list["data"].as_array().unwrap().iter();
        files.map(|file| (file["name"].as_str().unwrap().to_owned(), file.clone())).collect()
    };
    let (before, after) = (before.name(), after.name());
    let root = names(&format!("backup={before}")).await;
    assert_eq!(root.keys().collect::<Vec<_>>(), ["data", "etc", "gone", "link", "lost+found"]);
    assert!(!names(&format!("backup={after}")).await.contains_key("gone"));
    let page = installation.call("GET", &format!("{files}?backup={before}&limit=2"), Value::Null).await;
    let next = page["links"]["next"].as_str().unwrap().split_once("/v1/").unwrap().1;
    let page = installation.call("GET", &format!("/v1/{next}"), Value::Null).await;
    assert_eq!(page["data"][0]["name"], "gone", "{page}");

    // A link in the answer leads to the file; a part of it is had alone.
    let data = names(&format!("backup={before}&path=/data")).await;
    let content = data["large ü"]["links"]["content"].as_str().unwrap().split_once("/v1/").unwrap().1;
    let content = format!("/v1/{content}");
    let answer = installation.response(&content, None).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/octet-stream");
    assert_eq!(answer.headers()[header::CONTENT_LENGTH], "3000000");
    assert!(to_bytes(answer.into_body(), 4 << 20).await.unwrap() == noise(1), "the old content");
    let part = installation.response(&content, Some("bytes=1000000-1000999")).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert!(to_bytes(part.into_body(), 4 << 20).await.unwrap() == noise(1)[1_000_000..1_001_000]);
    for (backup, text) in [(before, "before\n"), (after, "after\n")] {
        assert_eq!(installation.text(&format!("{files}/content?backup={backup}&path=/link")).await, text);
    }
    let tar = installation.response(&format!("{files}/content?backup={before}&path=/data"), None).await;
    assert_eq!(tar.headers()[header::CONTENT_TYPE], "application/x-tar");
    let tar = to_bytes(tar.into_body(), 8 << 20).await.unwrap();
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    unpack(&tar, place.path());
    assert!(std::fs::read(place.path().join("data/large ü")).unwrap() == noise(1));

    refusals(&installation, &files, before).await;
    // Downloads that nobody takes end, and their places are free again.
    for _ in 0..6 {
        drop(installation.response(&content, None).await);
    }
    assert_eq!(installation.response(&content, None).await.status(), StatusCode::OK);

    // Who looked at what.
    let audits = installation.call("GET", "/v1/audits?objectType=file", Value::Null).await;
    let read = |audit: &&Value| {
        audit["path"] == format!("{files}/content")
            && audit["input"].as_str().is_some_and(|input| input.contains("/link"))
    };
    let audits = audits["data"].as_array().unwrap();
    assert_eq!(audits.iter().filter(read).count(), 2, "{audits:?}");

    // A block that is gone, or not what it was: an answer in words, or a download that looks broken, never other bytes.
    for block in target.files(".blk") {
        std::fs::write(&block, b"damaged").unwrap();
    }
    let (status, told) = installation.answer("GET", &format!("{files}?backup={before}"), Value::Null).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{told}");
    assert!(told["detail"].as_str().unwrap().contains("backup target"), "{told}");
    installation.stop().await;
}

async fn refusals(installation: &Installation, files: &str, backup: &str) {
    for (query, status, words) in [
        (String::new(), StatusCode::UNPROCESSABLE_ENTITY, "none is named"),
        ("?backup=none".to_owned(), StatusCode::NOT_FOUND, "no backup"),
        (format!("?backup={backup}&path=/nowhere"), StatusCode::NOT_FOUND, "there is no /nowhere"),
        (format!("?backup={backup}&path=/gone"), StatusCode::UNPROCESSABLE_ENTITY, "no directory"),
        (format!("?backup={backup}&path=/../etc"), StatusCode::UNPROCESSABLE_ENTITY, "\"..\""),
        (format!("?backup={backup}&partition=1"), StatusCode::UNPROCESSABLE_ENTITY, "no partition 1"),
        (format!("?backup={backup}&limit=0"), StatusCode::UNPROCESSABLE_ENTITY, "limit"),
    ] {
        let (got, answer) = installation.answer("GET", &format!("{files}{query}"), Value::Null).await;
        assert!(got == status && answer["message"].as_str().unwrap().contains(words), "{query}: {got} {answer}");
    }
    let nowhere = "/v1/backupvolumes/none/files?backup=x";
    assert_eq!(installation.answer("GET", nowhere, Value::Null).await.0, StatusCode::NOT_FOUND);
}

/// A target whose file server is dead: reading a block never comes back. Whoever goes away takes no place of others.
#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_from_a_dead_target_leaves_his_place() {
    let target = Target::new();
    let installation = Installation::with_volume(1, "nbd").await;
    installation.attach_by_api(false).await;
    installation.set_target(&target.url()).await;
    let uri = installation.engine().await.status.nbd_uri;
    tokio::task::block_in_place(|| write(&uri, &image(&[("etc/motd", b"here\n".to_vec())])));
    let made = installation.back_up("one").await;
    for block in target.files(".blk") {
        std::fs::remove_file(&block).unwrap();
        // Opened for reading, it waits for somebody who writes.
        assert!(std::process::Command::new("mkfifo").arg(&block).status().unwrap().success());
    }
    let files = format!("/v1/backupvolumes/{}/files?backup={}", installation.backup_volume().await.name(), made.name());
    // More than there are places.
    for _ in 0..6 {
        let asked = installation.answer("GET", &files, Value::Null);
        let answered = tokio::time::timeout(std::time::Duration::from_secs(2), asked).await;
        assert!(answered.is_err(), "the blocks can't be read: {answered:?}");
    }
    let list = installation.call("GET", &format!("/v1/volumes/{VOLUME}/files?snapshot=one"), Value::Null).await;
    assert!(list["data"].as_array().unwrap().iter().any(|file| file["name"] == "etc"), "{list}");
    installation.stop().await;
}
