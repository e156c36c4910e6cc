//! Azure's blob storage, as a real Azurite has it, which is installed where it is missing.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aurochs_engine::backup::{ErrorKind, Store};
use tempfile::TempDir;

use crate::{impatient, is_explained, target};

/// The account that every Azurite has, and its public key.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// How long the server may take to listen: it reads thousands of files first. Half a minute was not enough on a busy machine.
const START: Duration = Duration::from_secs(120);

struct Azurite {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Azurite {
    fn start() -> Self {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program())
            .args(["--silent", "--disableTelemetry", "--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
            .arg("--location")
            .arg(directory.path())
            .stdin(Stdio::null())
            // It says that it listens, silent or not.
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, port, _directory: directory };
        let end = Instant::now() + START;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "Azurite does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    fn credentials(&self, key: &str) -> Vec<(String, String)> {
        [("AZBLOB_ACCOUNT_NAME", ACCOUNT), ("AZBLOB_ACCOUNT_KEY", key), ("AZBLOB_ENDPOINT", &self.endpoint())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// With the signature that Azure documents as "Shared Key".
    fn create_container(&self, name: &str) {
        let script = format!(
            "set -eu; date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT'); \
             key=$(printf %s '{KEY}' | base64 -d | od -An -tx1 | tr -d ' \\n'); \
             signature=$(printf 'PUT\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\nx-ms-date:%s\\nx-ms-version:2021-08-06\\n/{ACCOUNT}/{ACCOUNT}/{name}\\nrestype:container' \"$date\" \
             | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64 -w0); \
             curl -sS --fail-with-body -X PUT -H 'Content-Length: 0' -H \"x-ms-date: $date\" -H 'x-ms-version: 2021-08-06' \
             -H \"Authorization: SharedKey {ACCOUNT}:$signature\" '{}/{name}?restype=container'",
            self.endpoint()
        );
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, installed first where it is missing.
fn program() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("azure-server");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/azure-server.sh");
    let made = Command::new(script).arg(&directory).output().unwrap();
    assert!(made.status.success(), "no Azure server: {}", String::from_utf8_lossy(&made.stderr));
    directory.join("node_modules/.bin/azurite-blob")
}

#[tokio::test]
async fn azure_does_it_and_says_what_is_wrong() {
    let server = Azurite::start();
    server.create_container("backups");
    for url in ["azblob://backups@core.windows.net/", "azblob://backups/some/where"] {
        let store = Store::open(&target(url, server.credentials(KEY))).await.unwrap();
        crate::contract::keeps_its_word(&store).await;
    }
    let nowhere = Store::open_with(&target("azblob://nowhere/", server.credentials(KEY)), &impatient()).await.unwrap();
    is_explained(&nowhere.test().await.unwrap_err(), ErrorKind::NoBucket, "container does not exist");
    let wrong = server.credentials("d3Jvbmcga2V5");
    let wrong = Store::open_with(&target("azblob://backups/", wrong), &impatient()).await.unwrap();
    is_explained(&wrong.test().await.unwrap_err(), ErrorKind::Credentials, "AZBLOB_ACCOUNT_KEY");
}
