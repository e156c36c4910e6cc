//! Notifications: real receivers get what was chosen, and nobody gets the secrets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aurochs_api::cause::{Cause, CauseCode, Severity};
use aurochs_api::volume::VolumeState;
use aurochs_server::events::{EventType, ObjectRef, Reason};
use aurochs_server::jobs::{Failure, JobKind, NewJob, Outcome};
use aurochs_server::resources::Volume;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;

use crate::harness::Manager;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const PATH: &str = "/services/planted-token";

/// A webhook's other end.
struct Receiver {
    address: SocketAddr,
    got: mpsc::UnboundedReceiver<(Option<String>, Value)>,
    /// What it answers next; 200 after that.
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

type Told = (mpsc::UnboundedSender<(Option<String>, Value)>, Arc<Mutex<VecDeque<StatusCode>>>);

async fn receive(State((got, answers)): State<Told>, request: Request) -> StatusCode {
    assert_eq!(request.uri().path(), PATH);
    let authorization = request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    got.send((authorization, serde_json::from_slice(&body).unwrap())).unwrap();
    answers.lock().unwrap().pop_front().unwrap_or(StatusCode::OK)
}

impl Receiver {
    async fn start(answers: &[StatusCode]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, got) = mpsc::unbounded_channel();
        let answers: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let service = Router::new().fallback(receive).with_state((sender, answers.clone()));
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { address, got, answers }
    }

    fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    async fn next(&mut self) -> (Option<String>, Value) {
        tokio::time::timeout(PATIENCE, self.got.recv()).await.expect("a notification").unwrap()
    }
}

async fn create(manager: &Manager, target: Value) -> Value {
    let answer = manager.post("/v1/notificationtargets", target).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

fn emit(manager: &Manager, kind: EventType, message: &str) {
    let object = ObjectRef { kind: "Volume".into(), name: "data".into(), uid: "u-1".into() };
    manager.app.events.emit(&object, Reason::Faulted, kind, message);
}

/// Takes messages until there were so many notices in them, and hurries them on.
async fn gather(manager: &Manager, receiver: &mut Receiver, told: &mut Vec<String>, count: usize) {
    while told.len() < count {
        manager.call("PUT", "/v1/notificationtargets/ops", "{}").await;
        let Ok(Some((_, body))) = tokio::time::timeout(Duration::from_secs(10), receiver.got.recv()).await else {
            panic!("no further message after {told:?}");
        };
        let notices = body["notices"].as_array().unwrap();
        told.extend(
            notices.iter().map(|notice| format!("{} {} {}", notice["source"], notice["object"], notice["message"])),
        );
    }
}

/// The target as soon as it is so.
async fn until(manager: &Manager, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let look = async {
        loop {
            let target = manager.get(&format!("/v1/notificationtargets/{name}")).await.json();
            if is_so(&target) {
                return target;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the target's state")
}

#[tokio::test]
async fn a_target_is_made_changed_and_deleted_and_its_secrets_stay() {
    let manager = Manager::start().await;
    let created = create(
        &manager,
        json!({"name": "ops", "kind": "webhook", "webhookURL": "https://hooks.example.org/planted-token",
            "authorization": "Bearer planted-bearer", "eventTypes": ["Warning"], "jobOutcomes": ["failed"]}),
    )
    .await;
    assert_eq!((&created["webhookURLSet"], &created["authorizationSet"]), (&json!(true), &json!(true)));
    assert_eq!((&created["webhookHost"], &created["enabled"]), (&json!("https://hooks.example.org"), &json!(true)));
    let twice =
        manager.post("/v1/notificationtargets", json!({"name": "ops", "kind": "slack", "webhookURL": "http://h/"}));
    assert_eq!(twice.await.status, StatusCode::CONFLICT);
    let changed =
        manager.call("PUT", "/v1/notificationtargets/ops", r#"{"enabled": false, "authorization": ""}"#).await;
    let changed = changed.json();
    assert_eq!((&changed["enabled"], &changed["authorizationSet"]), (&json!(false), &json!(false)));
    assert_eq!((&changed["webhookURLSet"], &changed["jobOutcomes"]), (&json!(true), &json!(["failed"])));
    let list = manager.get("/v1/notificationtargets").await;
    assert!(list.json()["data"][0]["actions"]["test"].is_string(), "{list:?}");
    let file = manager.directory.path().join("notification-secrets");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&file).unwrap().contains("planted-token"));
    for text in [list.text, created.to_string(), changed.to_string(), manager.get("/v1/audits").await.text] {
        assert!(!text.contains("planted"), "{text}");
    }
    for file in ["aurochs.db", "aurochs.db-wal"] {
        let bytes = std::fs::read(manager.directory.path().join(file)).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"planted"), "{file}");
    }
    assert_eq!(manager.call("DELETE", "/v1/notificationtargets/ops", "").await.status, StatusCode::OK);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("planted"));
    for path in ["/v1/notificationtargets/ops", "/v1/notificationtargets/none"] {
        assert_eq!(manager.get(path).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_webhook_gets_what_was_chosen() {
    let manager = Manager::start().await;
    let mut receiver = Receiver::start(&[]).await;
    create(
        &manager,
        json!({"name": "ops", "kind": "webhook", "webhookURL": receiver.url(), "authorization": "Bearer planted",
            "eventTypes": ["Warning"], "causes": ["disk-pressure"], "causeSeverities": ["error"], "jobOutcomes": ["failed"]}),
    )
    .await;
    emit(&manager, EventType::Normal, "all is well");
    emit(&manager, EventType::Warning, "no replica is left");
    let (authorization, body) = receiver.next().await;
    assert_eq!((authorization.as_deref(), &body["installation"]), (Some("Bearer planted"), &json!("test")));
    let notices = body["notices"].as_array().unwrap();
    assert_eq!(notices.len(), 1, "the normal one was not chosen: {body}");
    for (field, expected) in [
        ("source", "event"),
        ("type", "Warning"),
        ("reason", "Faulted"),
        ("severity", "warning"),
        ("objectType", "Volume"),
        ("object", "data"),
        ("message", "no replica is left"),
    ] {
        assert_eq!(notices[0][field], expected, "{field} of {body}");
    }
    until(&manager, "ops", |target| target["delivered"] == 1 && target["waiting"] == 0).await;

    manager.add_node("node-1", 1 << 40).await;
    manager.add_volume("data", VolumeState::Attached).await;
    let causes = vec![
        Cause::new(CauseCode::DiskPressure, Severity::Warning, "the disk is full", "Add one."),
        Cause::new(CauseCode::Rebuilding, Severity::Info, "not chosen", ""),
    ];
    manager.store().modify_status::<Volume>("data", |status| status.causes = causes.clone()).await.unwrap();
    let job = manager.app.jobs.begin(NewJob::new(JobKind::Purge, "data", "a test")).await;
    job.finish(Outcome::Failed(Failure::new("it broke", "Try again."))).await;
    let mut told = Vec::new();
    gather(&manager, &mut receiver, &mut told, 2).await;
    manager.store().modify_status::<Volume>("data", |status| status.causes.clear()).await.unwrap();
    gather(&manager, &mut receiver, &mut told, 3).await;
    told.sort();
    assert_eq!(
        told,
        [
            r#""cause" "data" "disk-pressure is over""#,
            r#""cause" "data" "the disk is full""#,
            r#""job" "data" "it broke""#
        ]
    );
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again() {
    let manager = Manager::start().await;
    let mut receiver = Receiver::start(&[StatusCode::INTERNAL_SERVER_ERROR, StatusCode::TOO_MANY_REQUESTS]).await;
    create(&manager, json!({"name": "ops", "kind": "slack", "webhookURL": receiver.url(), "eventTypes": ["Warning"]}))
        .await;
    emit(&manager, EventType::Warning, "no replica is left");
    let first = receiver.next().await.1;
    let failed = until(&manager, "ops", |target| target["lastError"] != "").await;
    assert!(failed["lastError"].as_str().unwrap().contains("500"), "{failed}");
    assert!(!failed.to_string().contains("planted"), "{failed}");
    assert_eq!((&failed["waiting"], &failed["delivered"]), (&json!(1), &json!(0)));
    for _ in 0..2 {
        // A change of the target is a reason to try at once.
        manager.call("PUT", "/v1/notificationtargets/ops", "{}").await;
        assert_eq!(receiver.next().await.1, first);
    }
    let taken = until(&manager, "ops", |target| target["delivered"] == 1).await;
    assert_eq!((&taken["waiting"], &taken["dropped"], &taken["lastError"]), (&json!(0), &json!(0), &json!("")));
    assert!(first["text"].as_str().unwrap().contains("Volume data (Faulted): no replica is left"), "{first}");
}

/// Nothing that was chosen is lost while there is no manager, and nothing is told twice.
#[tokio::test]
async fn a_restart_loses_nothing() {
    let mut manager = Manager::start().await;
    let mut receiver = Receiver::start(&[StatusCode::SERVICE_UNAVAILABLE]).await;
    create(
        &manager,
        json!({"name": "ops", "kind": "webhook", "webhookURL": receiver.url(), "eventTypes": ["Warning"]}),
    )
    .await;
    emit(&manager, EventType::Warning, "first");
    receiver.next().await;
    until(&manager, "ops", |target| target["lastError"] != "").await;
    manager.stop_notifying();
    emit(&manager, EventType::Warning, "second, while nobody looks");
    manager.app.events.settle().await;
    manager.notify();
    let mut told = Vec::new();
    while told.len() < 2 {
        let body = receiver.next().await.1;
        told.extend(
            body["notices"].as_array().unwrap().iter().map(|notice| notice["message"].as_str().unwrap().to_owned()),
        );
        manager.call("PUT", "/v1/notificationtargets/ops", "{}").await;
    }
    assert_eq!(told, ["first", "second, while nobody looks"]);
    until(&manager, "ops", |target| target["delivered"] == 2 && target["waiting"] == 0).await;
}

#[tokio::test]
async fn a_test_tells_whether_it_was_taken() {
    let manager = Manager::start().await;
    let mut receiver = Receiver::start(&[StatusCode::OK, StatusCode::FORBIDDEN]).await;
    create(&manager, json!({"name": "ops", "kind": "webhook", "webhookURL": receiver.url()})).await;
    let test = "/v1/notificationtargets/ops?action=test";
    let taken = manager.post(test, json!({})).await;
    assert_eq!((taken.status, &taken.json()["name"]), (StatusCode::OK, &json!("ops")), "{taken:?}");
    assert_eq!(receiver.next().await.1["notices"][0]["source"], "test");
    let refused = manager.post(test, json!({})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("403") && !refused.text.contains("planted"), "{refused:?}");
    assert!(receiver.answers.lock().unwrap().is_empty());
    let nowhere = json!({"webhookURL": "http://127.0.0.1:1/planted-token"}).to_string();
    manager.call("PUT", "/v1/notificationtargets/ops", &nowhere).await;
    let refused = manager.post(test, json!({})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.to_lowercase().contains("refused") && !refused.text.contains("planted"), "{refused:?}");
}

/// A real SMTP server that asks for a login.
struct MailServer {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl MailServer {
    async fn start() -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command
            .args(["-c", include_str!("../mail_server.py"), "none"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = Self::read(&mut lines).await["port"].as_u64().unwrap();
        Self { _child: child, lines, port: u16::try_from(port).unwrap() }
    }

    async fn read(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a line").unwrap();
        serde_json::from_str(&line.expect("the server runs; it needs the package python3-aiosmtpd")).unwrap()
    }

    async fn next(&mut self) -> Value {
        Self::read(&mut self.lines).await
    }
}

#[tokio::test]
async fn mails_go_through_a_server_that_asks_for_a_login() {
    let manager = Manager::start().await;
    let mut server = MailServer::start().await;
    let target = json!({"name": "mail", "kind": "email", "smtpServer": format!("127.0.0.1:{}", server.port), "smtpSecurity": "none",
        "smtpUser": "storage", "smtpPassword": "planted-mail-password", "from": "Storage <storage@example.org>",
        "to": ["ann@example.org", "bob@example.org"], "eventTypes": ["Warning"]});
    let created = create(&manager, target).await;
    assert!(created["smtpPasswordSet"] == true && !created.to_string().contains("planted"), "{created}");
    emit(&manager, EventType::Warning, "no replica is left");
    let mail = server.next().await;
    assert_eq!(
        (&mail["from"], &mail["to"]),
        (&json!("storage@example.org"), &json!(["ann@example.org", "bob@example.org"]))
    );
    let data = mail["data"].as_str().unwrap();
    assert!(data.contains("Subject: Aurochs (test): Volume data") && data.contains("no replica is left"), "{data}");
    until(&manager, "mail", |target| target["delivered"] == 1).await;
    let test = "/v1/notificationtargets/mail?action=test";
    assert_eq!(manager.post(test, json!({})).await.status, StatusCode::OK);
    assert!(server.next().await["data"].as_str().unwrap().contains("This is a test"));
    manager.call("PUT", "/v1/notificationtargets/mail", r#"{"smtpPassword": "planted-and-wrong"}"#).await;
    let refused = manager.post(test, json!({})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("535") && !refused.text.contains("planted"), "{refused:?}");
    let plain = json!({"smtpSecurity": "starttls", "smtpPassword": "planted-mail-password"}).to_string();
    manager.call("PUT", "/v1/notificationtargets/mail", &plain).await;
    let refused = manager.post(test, json!({})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "without encryption nothing is sent: {refused:?}");
}
