//! A manager without controllers: the store holds what a test puts there.

use std::net::SocketAddr;

use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::VolumeState;
use aurochs_server::app::App;
use aurochs_server::auth::Auth;
use aurochs_server::backups::Backups;
use aurochs_server::controllers::backup_target;
use aurochs_server::environment::premises::Premises;
use aurochs_server::events::Events;
use aurochs_server::jobs::Jobs;
use aurochs_server::notifications::Notifications;
use aurochs_server::resources::node::{DiskSpec, DiskStatus, NodeSpec, NodeStatus, READY};
use aurochs_server::resources::{Node, Object, Volume, condition};
use aurochs_server::router;
use aurochs_server::settings::Settings;
use aurochs_server::store::Store;
use aurochs_server::store::sqlite::Sqlite;
use aurochs_server::support_bundle::Bundles;
use aurochs_server::web::connections::{self, Door, Limits};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt;

pub(crate) const USER: &str = "ann";
pub(crate) const PASSWORD: &str = "correct horse";
/// Somebody who may look and change nothing.
pub(crate) const VIEWER: (&str, &str) = ("vic", "vic's password");

pub(crate) struct Manager {
    pub(crate) app: App,
    service: Router,
    pub(crate) directory: TempDir,
    sqlite: Sqlite,
    notifying: Vec<tokio::task::JoinHandle<()>>,
}

/// An answer, read to its end; what is no text is mangled.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    /// The same answer as a client at this address gets it.
    pub(crate) fn json_at(&self, address: SocketAddr) -> Value {
        let text = self.text.replace("http://manager:9500", &format!("http://{address}"));
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Manager {
    /// With the admins `ann` and `bob`, and the viewer `vic`.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The cheapest bcrypt: the tests are not about its cost.
        let line = |name, password| format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap());
        let users = line(USER, PASSWORD) + &line("bob", "bob's password") + &line(VIEWER.0, VIEWER.1);
        std::fs::write(directory.path().join("roles"), format!("{}: viewer\n", VIEWER.0)).unwrap();
        std::fs::write(directory.path().join("users"), users).unwrap();
        let sqlite = Sqlite::open(&directory.path().join("aurochs.db")).await.unwrap();
        let (auth, first) = Auth::open(directory.path(), &sqlite).unwrap();
        assert!(first.is_none());
        let events = Events::keep(sqlite.pool());
        let settings = Settings::default();
        let jobs = Jobs::open(sqlite.pool(), settings.clone()).await.unwrap();
        let store = Store::new(Arc::new(sqlite.clone()));
        backup_target::ensure_default(&store).await.unwrap();
        let app = App::new(store, settings, auth, events, jobs, "test");
        let mut manager = Self { service: router::service(app.clone()), app, directory, sqlite, notifying: Vec::new() };
        manager.notify();
        manager
    }

    /// Begins to tell people of what happens; what did so before ends, as if the manager had been started again.
    pub(crate) fn notify(&mut self) {
        self.stop_notifying();
        let (app, sqlite, directory) = (&self.app, &self.sqlite, self.directory.path());
        let notifications = Notifications::open(directory, sqlite, "test").unwrap();
        self.notifying = notifications.start(&app.store, &app.events, &app.jobs);
        self.app.notifications = notifications;
        self.service = router::service(self.app.clone());
    }

    pub(crate) fn stop_notifying(&mut self) {
        self.notifying.drain(..).for_each(|task| task.abort());
    }

    /// With a place for support bundles.
    pub(crate) fn set_bundles(&mut self, bundles: Bundles) {
        self.app.bundles = bundles;
        self.service = router::service(self.app.clone());
    }

    /// With a file for credentials of backup targets.
    pub(crate) fn set_backups(&mut self, backups: Backups) {
        self.app.backups = backups;
        self.service = router::service(self.app.clone());
    }

    /// With nodes that are on one machine.
    pub(crate) fn set_premises(&mut self, premises: Premises) {
        self.app.premises = premises;
        self.service = router::service(self.app.clone());
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.service.clone().oneshot(request).await.unwrap();
        read(response).await
    }

    /// A request with HTTP Basic.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "manager:9500");
        let request = request.header(header::AUTHORIZATION, basic(USER, PASSWORD));
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// The same as another user.
    pub(crate) async fn call_as(&self, user: (&str, &str), method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "manager:9500");
        let request = request.header(header::AUTHORIZATION, basic(user.0, user.1));
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: serde_json::Value) -> Answer {
        self.call("POST", path, &body.to_string()).await
    }

    pub(crate) fn store(&self) -> &Store {
        &self.app.store
    }

    /// The same service on a port of its own, for clients that need a connection. Ends with the test's runtime.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(router::serve(listener, self.app.clone(), std::future::pending()));
        address
    }

    /// As [`Self::listen`], with other limits of connections.
    pub(crate) async fn listen_within(&self, limits: Limits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door { listener, tls: None, limits };
        tokio::spawn(connections::serve(door, self.service.clone(), |_| true, std::future::pending()));
        address
    }

    /// A node that is ready, with one disk of this many bytes.
    pub(crate) async fn add_node(&self, name: &str, disk_bytes: u64) {
        let disk = DiskSpec { path: format!("/data/{name}"), allow_scheduling: true, ..DiskSpec::default() };
        let disks = [("disk-1".to_owned(), disk)].into();
        let spec = NodeSpec { name: name.to_owned(), allow_scheduling: true, disks, ..NodeSpec::default() };
        self.store().create(&Object::<Node>::new(name, spec)).await.unwrap();
        let change = |status: &mut NodeStatus| {
            condition::set(&mut status.conditions, READY, ConditionStatus::True, "", "");
            condition::set(&mut status.conditions, "Schedulable", ConditionStatus::True, "", "");
            let storage_maximum = ByteSize(disk_bytes);
            let disk_uuid = format!("{name}-uuid");
            let mut found =
                DiskStatus { disk_uuid, storage_maximum, storage_available: storage_maximum, ..DiskStatus::default() };
            condition::set(&mut found.conditions, READY, ConditionStatus::True, "", "");
            condition::set(&mut found.conditions, "Schedulable", ConditionStatus::True, "", "");
            status.disk_status.insert("disk-1".to_owned(), found);
        };
        self.store().modify_status::<Node>(name, change).await.unwrap();
    }

    /// Creates a volume and brings it into this state, as its controller would.
    pub(crate) async fn add_volume(&self, name: &str, state: VolumeState) {
        let answer = self.post("/v1/volumes", serde_json::json!({"name": name, "size": "1Gi"})).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        self.store().modify_status::<Volume>(name, |status| status.state = state).await.unwrap();
    }
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn read(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
}
