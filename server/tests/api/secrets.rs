//! Nothing secret is in any answer, log, bundle or row: secrets are planted wherever they can come in, and looked for
//! wherever something goes out.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use aurochs_server::backups::Backups;
use aurochs_server::controllers::Context;
use aurochs_server::resources::SupportBundle;
use aurochs_server::support_bundle::{Bundles, Place, controller};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{Answer, Manager, VIEWER, basic};

/// Part of every secret but the session's.
const MARK: &str = "planted";
const PASSWORD: &str = "planted-password-of-ann";
const CHAP: &str = "planted-chap-secret-1";

/// The log of this process as the manager writes it, at its most talkative.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Begins to listen. The log has other tests' lines, too; none of them knows these secrets.
    fn begin() -> Self {
        let log = Self::default();
        let filter = EnvFilter::new("debug,aurochs=trace,aurochs_api=trace,aurochs_engine=trace,aurochs_server=trace");
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(log.clone());
        tracing::subscriber::set_global_default(subscriber.with_ansi(false).finish()).unwrap();
        log
    }
}

/// A manager that knows secrets, and everything that it answered.
struct Watched {
    manager: Manager,
    secrets: Vec<String>,
    answers: Vec<(String, Answer)>,
}

impl Watched {
    async fn start() -> Self {
        let mut manager = Manager::start().await;
        manager.set_backups(Backups::at(manager.directory.path()));
        let line = |name: &str, password: &str| format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap());
        let users = line("ann", PASSWORD) + &line(VIEWER.0, VIEWER.1);
        std::fs::write(manager.directory.path().join("users"), &users).unwrap();
        let hashes = users.lines().map(|line| line.split_once(':').unwrap().1.to_owned());
        let mut secrets: Vec<String> = hashes.collect();
        secrets.push(STANDARD.encode(format!("ann:{PASSWORD}")));
        // The file is looked at once a second.
        let mut watched = Self { manager, secrets, answers: Vec::new() };
        while watched.ask("GET", "/v1/session", "").await != StatusCode::OK {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        watched
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> StatusCode {
        let answer = self.manager.call_as(("ann", PASSWORD), method, path, body).await;
        let status = answer.status;
        self.answers.push((format!("{method} {path}"), answer));
        status
    }

    /// By the form of the login page; answers with the cookie's value.
    async fn log_in(&mut self, user: &str, password: &str) -> String {
        let form = format!("user={user}&password={password}");
        let request = Request::post("/login").header(header::HOST, "manager:9500");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut answer = self.manager.send(request.body(Body::from(form)).unwrap()).await;
        let cookie = answer.headers.remove(header::SET_COOKIE);
        let value = cookie.map(|cookie| cookie.to_str().unwrap().split([';', '=']).nth(1).unwrap().to_owned());
        self.answers.push((format!("login of {user}"), answer));
        value.unwrap_or_default()
    }

    /// Whatever of the secrets is in these bytes.
    fn found<'a>(&'a self, bytes: &[u8]) -> Option<&'a str> {
        let known = self.secrets.iter().map(String::as_str).chain([MARK]);
        known.into_iter().find(|secret| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    }

    fn assert_clean(&self, place: &str, bytes: &[u8]) {
        assert_eq!(self.found(bytes), None, "{place}: {}", String::from_utf8_lossy(bytes));
    }
}

/// Everything that comes in with a secret.
async fn plant(watched: &mut Watched) {
    let token = watched.log_in("ann", PASSWORD).await;
    assert!(token.len() > 20, "no session");
    watched.secrets.push(token);
    watched.log_in("ann", "planted-wrong-password").await;
    // The name was forgotten, and the password is where it belongs. The form has it again, for whoever typed it.
    watched.log_in("planted-password-as-a-name", "").await;
    watched.answers.pop();
    let wrong = Request::get("/v1/volumes").header(header::AUTHORIZATION, basic("ann", "planted-wrong-too"));
    let answer = watched.manager.send(wrong.body(Body::empty()).unwrap()).await;
    watched.answers.push(("wrong password".to_owned(), answer));
    for (method, path, body) in [
        (
            "POST",
            "/v1/backuptargets",
            json!({"name": "s3", "backupTargetURL": "s3://key:planted-in-url@bucket/", "credentialSecret": "s3-credentials"}),
        ),
        (
            "POST",
            "/v1/backuptargets/default?action=backupTargetUpdate",
            json!({"backupTargetURL": "nfs://u:planted-in-url@host/", "credentialSecret": "s3-credentials"}),
        ),
        (
            "POST",
            "/v1/backuptargets",
            json!({"name": "kept", "backupTargetURL": "s3://bucket@eu/", "pollInterval": "300",
                "credentials": {"AWS_SECRET_ACCESS_KEY": "planted-s3-secret"}}),
        ),
        (
            "POST",
            "/v1/backuptargets/default?action=backupTargetTest",
            json!({"backupTargetURL": "ftp://host/", "credentials": {"CIFS_PASSWORD": "planted-cifs-password"}}),
        ),
        ("PUT", "/v1/settings/registry-secret", json!({"value": "regcred", "password": "planted-beside-it"})),
        ("PUT", "/v1/settings/default-replica-count", json!({"value": "2", "token": "planted-token"})),
        ("POST", "/v1/volumes", json!({"name": "data", "size": "1Gi", "password": "planted-unknown-field"})),
        (
            "POST",
            "/v1/volumes",
            json!({"name": "data-2", "size": "1Gi", "encrypted": true, "passphrase": "planted-passphrase"}),
        ),
        (
            "POST",
            "/v1/notificationtargets",
            json!({"name": "hook", "kind": "webhook", "webhookURL": "http://127.0.0.1:1/planted-path",
                "authorization": "Bearer planted-bearer", "eventTypes": ["Normal", "Warning"]}),
        ),
        (
            "POST",
            "/v1/notificationtargets",
            json!({"name": "mail", "kind": "email", "smtpServer": "127.0.0.1:1", "smtpSecurity": "none", "smtpUser": "u",
                "smtpPassword": "planted-smtp", "from": "a@example.org", "to": ["b@example.org"]}),
        ),
        (
            "POST",
            "/v1/notificationtargets",
            json!({"name": "odd", "kind": "slack", "webhookURL": "planted no address"}),
        ),
        ("PUT", "/v1/notificationtargets/mail", json!({"smtpPassword": "planted-smtp-2"})),
        ("POST", "/v1/notificationtargets/hook?action=test", json!({})),
        ("POST", "/v1/notificationtargets/mail?action=test", json!({})),
        ("POST", "/v1/volumes/data?action=attach", json!({"hostId": "node-1", "chapSecret": "planted-chap"})),
        (
            "POST",
            "/v1/supportbundles",
            json!({"description": "the password=planted-in-words", "issueURL": "https://u:planted-in-url@example.org/"}),
        ),
    ] {
        watched.ask(method, path, &body.to_string()).await;
    }
    watched.ask("POST", "/v1/volumes", r#"{"password": "planted-in-no-json""#).await;
    watched.ask("GET", "/v1/volumes?token=planted-in-query", "").await;
}

/// Every list and document that can be read, and the bundle.
async fn read_all(watched: &mut Watched) -> Vec<u8> {
    let root = watched.manager.call_as(("ann", PASSWORD), "GET", "/v1", "").await.json();
    let links: Vec<String> =
        root["links"].as_object().unwrap().values().map(|link| link.as_str().unwrap().to_owned()).collect();
    for link in links {
        let path = link.strip_prefix("http://manager:9500").unwrap();
        watched.ask("GET", path, "").await;
    }
    for path in ["/v1/session", "/v1/openapi.json", "/v1/disktags", "/metrics", "/", "/v1/audits?limit=1000"] {
        watched.ask("GET", path, "").await;
    }
    let bundles = watched.manager.call_as(("ann", PASSWORD), "GET", "/v1/supportbundles", "").await.json();
    let own =
        bundles["data"][0]["links"]["self"].as_str().unwrap().strip_prefix("http://manager:9500").unwrap().to_owned();
    let mut watch = watched.manager.store().watch::<SupportBundle>();
    while watched.manager.call_as(("ann", PASSWORD), "GET", &own, "").await.json()["state"] != "ReadyForDownload" {
        watch.next().await.unwrap();
    }
    let name = own.rsplit('/').next().unwrap();
    std::fs::read(watched.manager.app.bundles.archive(name).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_are_nowhere() {
    let log = Log::begin();
    let mut watched = Watched::start().await;
    let root = watched.manager.directory.path().to_owned();
    let (logs, chap) = (root.join("logs"), root.join("chap"));
    std::fs::create_dir_all(&logs).unwrap();
    std::fs::write(&chap, format!("initiator:{CHAP}\n")).unwrap();
    // As if an engine had told too much.
    std::fs::write(logs.join("engine.log"), format!("login with {CHAP}\nAuthorization: Basic planted\nok\n")).unwrap();
    let secrets = vec![chap, root.join("users"), root.join("notification-secrets")];
    let bundles = Bundles::at(Place::new(root.join("bundles"), logs, "node-1", secrets));
    watched.manager.set_bundles(bundles.clone());
    let context = Context { events: watched.manager.app.events.clone(), ..crate::settings::context(&watched.manager) };
    let tasks = controller::start(&context, &bundles);

    plant(&mut watched).await;
    watched.manager.app.auth.audit().settle().await;
    let archive = read_all(&mut watched).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);

    assert!(watched.answers.len() > 40);
    for (place, answer) in &watched.answers {
        watched.assert_clean(place, answer.text.as_bytes());
        watched.assert_clean(place, format!("{:?}", answer.headers).as_bytes());
    }
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    assert!(archive.len() > 30);
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        part.read_to_end(&mut content).unwrap();
        let name = part.name().unwrap().into_owned();
        watched.assert_clean(&name, &content);
    }
    for file in ["aurochs.db", "aurochs.db-wal"] {
        watched.assert_clean(file, &std::fs::read(root.join(file)).unwrap());
    }
    let log = log.0.lock().unwrap().clone();
    assert!(log.len() > 1000, "nothing was logged");
    for line in log.split(|byte| *byte == b'\n') {
        assert_eq!(watched.found(line), None, "log: {}", String::from_utf8_lossy(line));
    }
}
