//! A real S3 server, versitygw, on a free port of this machine. It ends with the value that stands for it.
//!
//! Tests of other crates take it in with `#[path = "../../engine/tests/s3_server/mod.rs"] mod s3_server;`.
//! The server is made where it is missing, which takes a minute once.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its part")]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aurochs_engine::backup::{Credentials, Target};
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "backups";
pub(crate) const ACCESS_KEY: &str = "test-access-key";
pub(crate) const SECRET_KEY: &str = "test-secret-key";
/// How long the server may take to listen.
const START: Duration = Duration::from_secs(30);

pub(crate) struct S3Server {
    child: Child,
    port: u16,
    /// Holds the objects as files: `buckets/<bucket>/<key>`.
    directory: TempDir,
    arguments: Vec<String>,
    is_tls: bool,
}

impl S3Server {
    /// A server with an empty bucket, [`BUCKET`].
    pub(crate) fn start() -> Self {
        Self::start_with(&[], false)
    }

    /// A server that lists and reads what there is, and refuses everything else.
    pub(crate) fn start_read_only() -> Self {
        Self::start_with(&["--readonly"], false)
    }

    /// A server that speaks TLS with these files.
    pub(crate) fn start_tls(certificate: &Path, key: &Path) -> Self {
        Self::start_with(&["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()], true)
    }

    fn start_with(arguments: &[&str], is_tls: bool) -> Self {
        // Not below /tmp: it may be a tmpfs, and the server needs extended attributes.
        let directory = tempfile::Builder::new().prefix("aurochs-s3-").tempdir_in("/var/tmp").unwrap();
        fs::create_dir_all(directory.path().join("buckets").join(BUCKET)).unwrap();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        // Another process may take the port between its choice and its use.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = spawn(port, directory.path(), &arguments) {
                return Self { child, port, directory, arguments, is_tls };
            }
        }
        panic!("the S3 server does not start");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.is_tls { "https" } else { "http" }, self.port)
    }

    /// What a target needs to get in, as the names of a Secret.
    pub(crate) fn credentials(&self) -> Vec<(String, String)> {
        credentials(&self.endpoint())
    }

    /// The bucket below `prefix`.
    pub(crate) fn target(&self, prefix: &str) -> Target {
        Target { url: url(BUCKET, prefix).parse().unwrap(), credentials: Credentials::new(self.credentials()) }
    }

    /// The file in which the server keeps an object: to look at it, or to damage it.
    pub(crate) fn file(&self, key: &str) -> PathBuf {
        self.directory.path().join("buckets").join(BUCKET).join(key)
    }

    /// The server is gone at once, with the connections that it has.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// It comes back on the same port, with the same objects.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child =
            spawn(self.port, self.directory.path(), &self.arguments).expect("the S3 server does not start again");
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn url(bucket: &str, prefix: &str) -> String {
    format!("s3://{bucket}@us-east-1/{prefix}")
}

pub(crate) fn credentials(endpoint: &str) -> Vec<(String, String)> {
    [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY), ("AWS_ENDPOINTS", endpoint)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The program, made first where it is missing.
fn program() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("s3-server");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/s3-server.sh");
    let made = Command::new(script).arg(&directory).output().unwrap();
    assert!(made.status.success(), "no S3 server: {}", String::from_utf8_lossy(&made.stderr));
    directory.join("versitygw")
}

/// `None` when it ends before it listens.
fn spawn(port: u16, directory: &Path, arguments: &[String]) -> Option<Child> {
    let log = fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
    let mut child = Command::new(program())
        .args(["--quiet", "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--port", &format!("127.0.0.1:{port}")])
        .args(arguments)
        .arg("posix")
        .arg(directory.join("buckets"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let end = Instant::now() + START;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(child)
}
