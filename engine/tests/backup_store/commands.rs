//! `aurochs-engine backup …`, as the binary itself runs it.

use std::process::Command;

use serde_json::Value;

use crate::archive::{self, Place};
use crate::volume::sha256;

struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Outcome {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

fn run(arguments: &[&str]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_aurochs-engine")).arg("backup").args(arguments).output().unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn url(place: &Place, volume: &str, backup: &str) -> String {
    format!("{}?backup={backup}&volume={volume}", place.url())
}

#[tokio::test]
async fn every_sample_is_listed_inspected_and_verified() {
    for name in archive::all() {
        let (place, manifest) = Place::golden(&name).await;
        let before = place.files();
        let volumes = run(&["ls", "--json", &place.url()]).json();
        for volume in volumes["volumes"].as_array().unwrap() {
            assert_eq!(volume["error"], Value::Null);
            let listed = run(&["ls", "--json", volume["url"].as_str().unwrap()]).json();
            for listed in listed["backups"].as_array().unwrap() {
                assert_eq!(listed["state"] == "complete", listed["name"] != "interrupted", "{listed}");
            }
        }
        for backup in &manifest.backups {
            let url = url(&place, &backup.volume, &backup.backup);
            let shown = run(&["inspect", "--json", &url]).json();
            assert_eq!(shown["restored_size_bytes"], backup.restored_size);
            assert_eq!(shown["url"], url.as_str());
            let verified = run(&["verify", "--json", &url]).json();
            assert_eq!((&verified["good"], &verified["different_blocks"]), (&true.into(), &shown["different_blocks"]));
            assert!(run(&["inspect", &url]).stdout.contains(&format!("Backup {}\n", backup.backup)));
        }
        assert!(place.files() == before, "{name}: something changed");
    }
}

#[tokio::test]
async fn a_volume_with_a_backing_file_comes_out_whole() {
    let (place, manifest) = Place::golden("b09-backing").await;
    let output = place.scratch.path().join("volume.img");
    let backing = place.path("backing.qcow2");
    let arguments = |url: &str, more: &[&str]| {
        let mut all = vec!["restore-to-file".to_owned(), url.to_owned(), "--output".to_owned()];
        all.push(output.to_str().unwrap().to_owned());
        all.extend(more.iter().map(|text| (*text).to_owned()));
        all
    };
    let run = |all: Vec<String>| run(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let url = url(&place, "vol-backing", "b2");
    let alone = run(arguments(&url, &[]));
    let expected = &manifest.backups.iter().find(|backup| backup.backup == "b2").unwrap().restored_sha256;
    assert!(alone.stdout.contains(&**expected), "{} {}", alone.stdout, alone.stderr);
    let exists = run(arguments(&url, &[]));
    assert_eq!(exists.code, 1);
    assert!(exists.stderr.contains("--force"), "{}", exists.stderr);
    let whole = run(arguments(&url, &["--force", "--backing-file", backing.to_str().unwrap()]));
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    let expected = &manifest.with_backing["b2"].volume_content_sha256_blocks_laid_over_backing;
    assert_eq!(sha256(&std::fs::read(&output).unwrap()), *expected);
}

#[tokio::test]
async fn failures_have_their_own_exit_codes_and_say_what_to_do() {
    let (place, _) = Place::golden("b10-interrupted").await;
    let cases = [
        (vec!["ls".to_owned(), "vfs:///nowhere/at/all".to_owned()], 2, "does not exist"),
        (vec!["inspect".to_owned(), url(&place, "vol-int", "interrupted")], 1, "not complete"),
        (vec!["inspect".to_owned(), url(&place, "vol-int", "none")], 1, "has no backup \"none\""),
        (vec!["verify".to_owned(), url(&place, "none", "good")], 1, "no backup volume \"none\""),
        (vec!["ls".to_owned(), format!("{}?volume=none", place.url())], 1, "no backup volume \"none\""),
        (vec!["verify".to_owned(), place.url()], 1, "names no volume"),
        (vec!["verify".to_owned(), format!("{}?volume=vol-int", place.url())], 1, "names no backup"),
        (vec!["ls".to_owned(), "ftp://x".to_owned()], 2, "ftp"),
    ];
    for (arguments, code, text) in cases {
        let outcome = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(outcome.code, code, "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(text), "{arguments:?}: {}", outcome.stderr);
    }
}

#[tokio::test]
async fn verify_finds_a_flipped_byte() {
    let (place, _) = Place::golden("b02-gzip").await;
    let block = place.path(place.blocks("vol-gzip").first().unwrap());
    let mut content = std::fs::read(&block).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&block, content).unwrap();
    let codes: Vec<i32> = ["backup-1", "backup-2", "backup-3"]
        .iter()
        .map(|backup| {
            let outcome = run(&["verify", &url(&place, "vol-gzip", backup)]);
            assert_eq!(outcome.code != 0, outcome.stdout.contains("WHAT IS WRONG"), "{}", outcome.stdout);
            outcome.code
        })
        .collect();
    assert!(codes.contains(&1), "{codes:?}");
}

#[tokio::test]
async fn secrets_are_not_told() {
    let place = Place::empty().await;
    let file = place.scratch.path().join("credentials");
    std::fs::write(&file, "AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY s3cret\n").unwrap();
    let outcome = run(&["ls", &place.url(), "--credentials", file.to_str().unwrap()]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("line 2") && outcome.stderr.contains("chmod 600"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("s3cret") && !outcome.stdout.contains("s3cret"));
}
