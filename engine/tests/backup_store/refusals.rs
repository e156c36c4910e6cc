//! Targets that are wrong from the first moment, and what is said about each.

use std::process::Command;

use aurochs_engine::backup::{ErrorKind, Store, StoreError, TestReport};
use bytes::Bytes;

use crate::s3_server::{BUCKET, S3Server, SECRET_KEY, credentials, url};
use crate::{impatient, is_explained, target};

async fn tested(url: &str, credentials: Vec<(String, String)>) -> Result<TestReport, StoreError> {
    Store::open_with(&target(url, credentials), &impatient()).await?.test().await
}

fn with(mut credentials: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    credentials.retain(|(known, _)| known != name);
    credentials.push((name.to_owned(), value.to_owned()));
    credentials
}

#[tokio::test]
async fn a_bucket_that_does_not_exist() {
    let server = S3Server::start();
    let error = tested(&url("nowhere", ""), server.credentials()).await.unwrap_err();
    is_explained(&error, ErrorKind::NoBucket, "does not exist");
    // Not taken for an object that does not exist, which would be a backup that somebody deleted.
    let store = Store::open_with(&target(&url("nowhere", ""), server.credentials()), &impatient()).await.unwrap();
    is_explained(&store.read("backupstore/x").await.unwrap_err(), ErrorKind::NoBucket, "NoSuchBucket");
    is_explained(
        &store.write("backupstore/x", Bytes::new()).await.unwrap_err(),
        ErrorKind::NoBucket,
        "put backupstore/x",
    );
}

#[tokio::test]
async fn keys_that_are_wrong() {
    let server = S3Server::start();
    let credentials = server.credentials();
    let error =
        tested(&url(BUCKET, ""), with(credentials.clone(), "AWS_SECRET_ACCESS_KEY", "wrong-key")).await.unwrap_err();
    is_explained(&error, ErrorKind::Credentials, "AWS_SECRET_ACCESS_KEY");
    let error = tested(&url(BUCKET, ""), with(credentials, "AWS_ACCESS_KEY_ID", "nobody")).await.unwrap_err();
    is_explained(&error, ErrorKind::Credentials, "AWS_ACCESS_KEY_ID");
    // An answer without words is asked for in another way.
    let wrong = with(server.credentials(), "AWS_SECRET_ACCESS_KEY", "wrong-key");
    let store = Store::open_with(&target(&url(BUCKET, ""), wrong), &impatient()).await.unwrap();
    let error = store.facts("backupstore/x").await.unwrap_err();
    is_explained(&error, ErrorKind::Credentials, "AWS_SECRET_ACCESS_KEY");
}

#[tokio::test]
async fn a_server_that_lets_nobody_write() {
    let server = S3Server::start_read_only();
    let store = Store::open_with(&server.target(""), &impatient()).await.unwrap();
    store.list("backupstore").await.unwrap();
    let error = store.test().await.unwrap_err();
    is_explained(&error, ErrorKind::Denied, "AccessDenied");
    assert_eq!(error.operation(), "put");
}

#[tokio::test]
async fn a_port_where_nothing_listens() {
    let mut server = S3Server::start();
    server.kill();
    let error = tested(&url(BUCKET, ""), server.credentials()).await.unwrap_err();
    is_explained(&error, ErrorKind::Unreachable, "refused");
}

#[tokio::test]
async fn a_name_that_nobody_has() {
    let error = tested(&url(BUCKET, ""), credentials("http://s3.invalid:9000")).await.unwrap_err();
    is_explained(&error, ErrorKind::Unreachable, "name of the server");
}

#[tokio::test]
async fn a_certificate_that_nobody_signed() {
    let place = tempfile::tempdir().unwrap();
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=s3 -days 2 \
        -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem";
    let made = Command::new("openssl").args(arguments.split_whitespace()).current_dir(place.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (certificate, key) = (place.path().join("cert.pem"), place.path().join("key.pem"));
    let server = S3Server::start_tls(&certificate, &key);

    let error = tested(&url(BUCKET, ""), server.credentials()).await.unwrap_err();
    is_explained(&error, ErrorKind::Certificate, "AWS_CERT");
    let pem = std::fs::read_to_string(&certificate).unwrap();
    let trusting = with(server.credentials(), "AWS_CERT", &pem);
    tested(&url(BUCKET, ""), trusting.clone()).await.unwrap();

    // Trust does not reach names that are not in it.
    let elsewhere = with(trusting.clone(), "AWS_ENDPOINTS", &server.endpoint().replace("127.0.0.1", "localhost"));
    let error = tested(&url(BUCKET, ""), elsewhere).await.unwrap_err();
    is_explained(&error, ErrorKind::Certificate, "other names");

    let plain = with(trusting, "AWS_ENDPOINTS", &server.endpoint().replace("https", "http"));
    tested(&url(BUCKET, ""), plain).await.unwrap_err();
}

#[tokio::test]
async fn tls_with_a_server_that_has_none() {
    let server = S3Server::start();
    let endpoint = server.endpoint().replace("http:", "https:");
    let error = tested(&url(BUCKET, ""), credentials(&endpoint)).await.unwrap_err();
    is_explained(&error, ErrorKind::Unreachable, "TLS");
}

#[tokio::test]
async fn a_server_that_is_no_object_store() {
    // Something that answers every request with a page.
    let proxy = crate::proxy::Proxy::start(0).await;
    for status in ["200 OK", "404 Not Found", "418 I'm a teapot"] {
        proxy.answer(status, "<html><body>Welcome</body></html>", u64::MAX);
        let error = tested(&url(BUCKET, ""), credentials(&proxy.endpoint())).await.unwrap_err();
        is_explained(&error, ErrorKind::Other, "server");
        // Nor is an object there taken for one that was deleted.
        let store =
            Store::open_with(&target(&url(BUCKET, ""), credentials(&proxy.endpoint())), &impatient()).await.unwrap();
        if status != "200 OK" {
            is_explained(&store.read("backupstore/x").await.unwrap_err(), ErrorKind::Other, "server");
        }
    }
}

#[tokio::test]
async fn a_directory_that_does_not_exist() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("missing");
    let error = tested(&format!("vfs://{}", path.display()), Vec::new()).await.unwrap_err();
    is_explained(&error, ErrorKind::NoBucket, "create it");
    assert!(!path.exists());
}

#[tokio::test]
async fn azure_without_a_key_and_with_half_of_one() {
    for (name, value) in [("AZBLOB_ACCOUNT_KEY", SECRET_KEY), ("AWS_ACCESS_KEY_ID", "x")] {
        let credentials = vec![(name.to_owned(), value.to_owned())];
        let error = tested("azblob://container/", credentials).await.unwrap_err();
        is_explained(&error, ErrorKind::Credentials, "AZBLOB_ACCOUNT_NAME");
    }
}
