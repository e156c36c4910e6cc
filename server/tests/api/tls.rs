//! The API over TLS, with real clients and real certificates.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aurochs_server::router;
use aurochs_server::web::connections::tls::Tls;
use aurochs_server::web::connections::{self, Door, Limits};
use axum::http::{StatusCode, header};
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::harness::{Manager, PASSWORD, USER, basic};

/// Name in the certificates.
const HOST: &str = "manager.test";
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes `cert.pem` and `key.pem`, another pair each time.
fn certify(directory: &Path) {
    let subject =
        format!("-subj /CN={HOST} -addext subjectAltName=DNS:{HOST} -addext basicConstraints=critical,CA:FALSE");
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    let arguments = format!("req -x509 {new_key} {subject} -keyout new-key.pem -out new-cert.pem");
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Command::new("chmod").args(["600", "new-key.pem"]).current_dir(directory).status().unwrap();
    for file in ["cert.pem", "key.pem"] {
        std::fs::rename(directory.join(format!("new-{file}")), directory.join(file)).unwrap();
    }
}

struct Served {
    _manager: Manager,
    files: tempfile::TempDir,
    address: SocketAddr,
}

impl Served {
    async fn start() -> Self {
        Self::start_within(Limits::default()).await
    }

    async fn start_within(limits: Limits) -> Self {
        let (manager, files) = (Manager::start().await, tempfile::tempdir().unwrap());
        certify(files.path());
        let tls = Tls::open(files.path().join("cert.pem"), files.path().join("key.pem")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door { listener, tls: Some(tls), limits };
        tokio::spawn(connections::serve(door, router::service(manager.app.clone()), |_| false, std::future::pending()));
        Self { _manager: manager, files, address }
    }

    fn certificate(&self) -> Vec<u8> {
        std::fs::read(self.files.path().join("cert.pem")).unwrap()
    }

    /// A client that trusts this certificate alone, and keeps no connection.
    fn client(&self, certificate: &[u8]) -> reqwest::Client {
        let trusted = reqwest::Certificate::from_pem(certificate).unwrap();
        let client = reqwest::Client::builder().tls_built_in_root_certs(false).add_root_certificate(trusted);
        let client = client.resolve(HOST, self.address).pool_max_idle_per_host(0).timeout(PATIENCE);
        client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{HOST}:{}{path}", self.address.port())
    }
}

#[tokio::test]
async fn a_session_over_tls() {
    let served = Served::start().await;
    let client = served.client(&served.certificate());
    let session = client.get(served.url("https", "/v1/session")).basic_auth(USER, Some(PASSWORD)).send().await.unwrap();
    assert_eq!(session.status(), StatusCode::OK);
    let session: serde_json::Value = session.json().await.unwrap();
    assert_eq!(session["user"], USER);
    let form = "user=ann&password=correct+horse";
    let login = client.post(served.url("https", "/login")).body(form);
    let login = login.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!(login.status(), StatusCode::SEE_OTHER);
    let cookie = login.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("; Secure") && cookie.contains("HttpOnly"), "{cookie}");
    assert!(!login.headers().contains_key("strict-transport-security"), "it would bind other services of this host");
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30", "--http2", "--cacert"]);
    curl.arg(served.files.path().join("cert.pem"));
    curl.args(["--resolve", &format!("{HOST}:{}:127.0.0.1", served.address.port()), &served.url("https", "/healthz")]);
    let output = curl.output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn websockets_go_through_it() {
    let served = Served::start().await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&served.certificate()).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(served.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(HOST.try_into().unwrap(), stream).await.unwrap();
    let mut request = served.url("wss", "/v1/ws/volumes").into_client_request().unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, basic(USER, PASSWORD).parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let first = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    let list: serde_json::Value = serde_json::from_str(first.to_text().unwrap()).unwrap();
    assert_eq!(list["type"], "collection");
}

#[tokio::test]
async fn http_on_this_port_is_told_where_to_go() {
    let served = Served::start().await;
    let client = served.client(&served.certificate());
    let answer = client.get(served.url("http", "/v1/volumes")).basic_auth(USER, Some(PASSWORD)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let body = answer.text().await.unwrap();
    assert!(body.contains("speaks TLS") && body.contains("https://"), "{body}");
}

/// They keep their place no longer than the handshake may take.
#[tokio::test]
async fn a_handshake_that_does_not_end_is_closed() {
    let limits = Limits { handshake: Duration::from_millis(100), connections: 4, ..Limits::default() };
    let served = Served::start_within(limits).await;
    let mut open = Vec::new();
    for begun in [&b""[..], b"\x16", b"\x16\x03\x01\x00", b"\x16\x03\x01\xff\xff"] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        open.push(stream);
    }
    // All places are taken; this one waits for one of them.
    let client = served.client(&served.certificate());
    assert_eq!(client.get(served.url("https", "/healthz")).send().await.unwrap().status(), StatusCode::OK);
    for mut stream in open {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "a connection is still open");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let served = Served::start().await;
    let old = served.certificate();
    let healthy =
        async |certificate: &[u8]| served.client(certificate).get(served.url("https", "/healthz")).send().await.is_ok();
    assert!(healthy(&old).await);
    // Half of a pair is there for a moment: the one before goes on.
    std::fs::rename(served.files.path().join("key.pem"), served.files.path().join("old-key.pem")).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(healthy(&old).await);
    certify(served.files.path());
    let deadline = Instant::now() + PATIENCE;
    while !healthy(&served.certificate()).await {
        assert!(Instant::now() < deadline, "the new certificate is not used");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!healthy(&old).await);
}

#[tokio::test]
async fn files_that_are_of_no_use_are_told_at_the_start() {
    let files = tempfile::tempdir().unwrap();
    certify(files.path());
    let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    let open =
        |cert: &Path, key: &Path| Tls::open(cert.to_owned(), key.to_owned()).err().map(|error| error.to_string());
    assert!(open(&cert, &files.path().join("none.pem")).unwrap().contains("none.pem"));
    assert!(open(&key, &key).unwrap().contains("BEGIN CERTIFICATE"));
    Command::new("chmod").args(["600"]).arg(&cert).status().unwrap();
    assert!(open(&cert, &cert).unwrap().contains("PRIVATE KEY"));
    Command::new("chmod").args(["604"]).arg(&key).status().unwrap();
    assert!(open(&cert, &key).unwrap().contains("chmod o-rwx"));
}
