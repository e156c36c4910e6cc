//! The WebSockets, over a real connection.

use std::net::SocketAddr;
use std::time::Duration;

use aurochs_api::volume::VolumeState;
use aurochs_server::resources::node::NodeSpec;
use aurochs_server::resources::{Node, Object, Volume};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::harness::{Manager, PASSWORD, USER, basic};

/// Far longer than anything here takes; a test that hangs should fail.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) async fn connect(address: SocketAddr, path: &str, header: (&'static str, String)) -> Result<Socket, Error> {
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    request.headers_mut().insert(header.0, header.1.parse().unwrap());
    request.headers_mut().insert("x-requested-with", "test".parse().unwrap());
    Ok(connect_async(request).await?.0)
}

pub(crate) fn credentials() -> (&'static str, String) {
    ("authorization", basic(USER, PASSWORD))
}

pub(crate) async fn next(socket: &mut Socket) -> Value {
    loop {
        match tokio::time::timeout(PATIENCE, socket.next()).await.expect("a message").unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The next message that is not about something else.
pub(crate) async fn next_that(socket: &mut Socket, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let message = next(socket).await;
        if wanted(&message) {
            return message;
        }
    }
}

fn has_volume(message: &Value, id: &str) -> bool {
    message["items"]
        .as_array()
        .is_some_and(|items| items.iter().any(|item| item["kind"] == "volume" && item["resource"]["id"] == id))
}

#[tokio::test]
async fn first_everything_then_changes_then_gone() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    manager.add_volume("first", VolumeState::Detached).await;
    let address = manager.listen().await;
    let mut socket = connect(address, "/v1/ws/live", credentials()).await.unwrap();
    let everything = next(&mut socket).await;
    assert_eq!(everything["event"], "everything");
    if everything["volumes"].as_array().unwrap().is_empty() {
        // The stream has just begun to follow the store.
        next_that(&mut socket, |message| has_volume(message, "first")).await;
    } else {
        assert_eq!(everything["volumes"][0]["links"]["self"], "./v1/volumes/first", "right under every prefix");
    }

    manager.add_volume("second", VolumeState::Detached).await;
    next_that(&mut socket, |message| has_volume(message, "second")).await;
    manager.store().modify_status::<Volume>("second", |status| status.state = VolumeState::Attaching).await.unwrap();
    let attaching = |message: &Value| has_volume(message, "second") && message.to_string().contains("\"attaching\"");
    next_that(&mut socket, attaching).await;
    manager.store().delete::<Volume>("second").await.unwrap();
    manager.store().remove_finalizer::<Volume>("second").await.unwrap();
    let gone = next_that(&mut socket, |message| message["event"] == "gone").await;
    assert_eq!((&gone["kind"], &gone["id"]), (&"volume".into(), &"second".into()));

    let mut late = connect(address, "/v1/ws/live", credentials()).await.unwrap();
    let everything = next(&mut late).await;
    let volumes: Vec<_> = everything["volumes"].as_array().unwrap().iter().map(|volume| &volume["id"]).collect();
    assert_eq!(volumes, ["first"]);
    assert_eq!(everything["nodes"][0]["id"], "node-1");

    // Who wants it packed gets the same, but for the links of volumes, and changes as texts behind it.
    let mut packed = connect(address, "/v1/ws/live?packed=gzip&proof=", credentials()).await.unwrap();
    let unpacked = unpacked(&mut packed).await;
    assert_eq!(unpacked["nodes"], everything["nodes"]);
    assert_eq!(unpacked["settings"], everything["settings"]);
    let (one, other) = (&unpacked["volumes"][0], &everything["volumes"][0]);
    assert_eq!((&one["id"], &one["state"], &one["links"]), (&other["id"], &other["state"], &Value::Null));
    manager.store().modify_status::<Volume>("first", |status| status.state = VolumeState::Attaching).await.unwrap();
    next_that(&mut packed, |message| has_volume(message, "first")).await;
    drop(packed);
    let mut again = connect(address, "/v1/ws/live?packed=gzip", credentials()).await.unwrap();
    let unpacked = self::unpacked(&mut again).await;
    assert_eq!(unpacked["volumes"][0]["state"], "attaching", "never what was kept from before");
}

/// The first message as a gzip file.
async fn unpacked(socket: &mut Socket) -> Value {
    let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("a message").unwrap().unwrap();
    assert!(message.is_binary(), "{message:?}");
    serde_json::from_reader(flate2::read::GzDecoder::new(&*message.into_data())).unwrap()
}

#[tokio::test]
async fn a_client_hears_that_a_list_it_follows_changed() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    let mut socket = connect(address, "/v1/ws/live", credentials()).await.unwrap();
    assert_eq!(next(&mut socket).await["event"], "everything");
    for nonsense in ["nonsense", "{}", "{\"follow\": {}}"] {
        socket.send(Message::text(nonsense)).await.unwrap();
    }
    socket.send(Message::text(r#"{"follow": ["recurringjobs", "audit", "backups"]}"#)).await.unwrap();
    let following = next_that(&mut socket, |message| message["event"] == "following").await;
    assert_eq!(following["lists"], serde_json::json!(["backups", "recurringjobs"]), "audit has no changes to tell");

    let job = serde_json::json!({"name": "nightly", "task": "snapshot", "cron": "0 3 * * *", "retain": 1});
    assert_eq!(manager.post("/v1/recurringjobs", job).await.status, 200);
    let stale = next_that(&mut socket, |message| message["event"] == "stale").await;
    assert_eq!(stale["lists"], serde_json::json!(["recurringjobs"]));
    assert_eq!(manager.get("/v1/recurringjobs").await.json()["data"][0]["name"], "nightly");
}

#[tokio::test]
async fn longhorns_streams_send_whole_lists() {
    let manager = Manager::start().await;
    manager.add_node("node-1", 1 << 40).await;
    let address = manager.listen().await;
    for (path, kind) in [
        ("/v1/ws/1s/nodes", "node"),
        ("/v1/ws/settings", "setting"),
        ("/v1/ws/1s/volumeattachments", "volumeAttachment"),
    ] {
        let mut socket = connect(address, path, credentials()).await.unwrap();
        let list = next(&mut socket).await;
        assert_eq!((&list["type"], &list["resourceType"]), (&"collection".into(), &kind.into()), "{path}");
    }
    let mut socket = connect(address, "/v1/ws/0s/volumes", credentials()).await.unwrap();
    assert_eq!(next(&mut socket).await["data"], serde_json::json!([]));
    manager.add_volume("data", VolumeState::Detached).await;
    let list = next_that(&mut socket, |list| list["data"][0]["state"] == "detached").await;
    assert_eq!(list["links"]["self"], format!("http://{address}/v1/volumes"));
    assert_eq!(list["data"][0]["actions"]["attach"], format!("http://{address}/v1/volumes/data?action=attach"));
}

/// api.md §3, "Websocket streams".
#[tokio::test]
async fn all_of_longhorns_streams_are_there() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    for plural in [
        "settings",
        "volumes",
        "recurringjobs",
        "orphans",
        "shardgroups",
        "shards",
        "nodes",
        "engineimages",
        "backingimages",
        "backupbackingimages",
        "backupvolumes",
        "backuptargets",
        "backups",
        "systembackups",
        "systemrestores",
        "events",
        "volumeattachments",
    ] {
        let mut socket = connect(address, &format!("/v1/ws/1s/{plural}"), credentials()).await.unwrap();
        let told = next(&mut socket).await;
        assert_eq!(told, manager.get(&format!("/v1/{plural}")).await.json_at(address), "{plural}");
    }
}

#[tokio::test]
async fn a_stream_of_nothing_known_is_404() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    match connect(address, "/v1/ws/1s/bananas", credentials()).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 404),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_login_there_is_no_stream() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    for path in ["/v1/ws/live", "/v1/ws/1s/volumes"] {
        match connect(address, path, ("x-nothing", "1".to_owned())).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 401),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn logging_out_closes_the_stream() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = [("user", USER), ("password", PASSWORD)];
    let body: String = form.iter().map(|(name, value)| format!("{name}={}&", value.replace(' ', "+"))).collect();
    let login = client.post(format!("http://{address}/login"));
    let login = login.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap();
    let cookie = login.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut socket = connect(address, "/v1/ws/live", ("cookie", cookie.clone())).await.unwrap();
    next(&mut socket).await;
    let logout = client.post(format!("http://{address}/logout")).header("cookie", &cookie);
    assert_eq!(logout.header("x-requested-with", "test").send().await.unwrap().status(), 303);
    loop {
        match tokio::time::timeout(PATIENCE, socket.next()).await.expect("a close").unwrap().unwrap() {
            Message::Close(frame) => {
                assert_eq!(frame.unwrap().code, CloseCode::Policy);
                break;
            }
            Message::Text(_) | Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A client of the live stream that reads nothing.
async fn connect_stalled(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let mut request = format!("ws://{address}/v1/ws/live").into_client_request().unwrap();
    request.headers_mut().insert("authorization", basic(USER, PASSWORD).parse().unwrap());
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await.unwrap().0
}

#[tokio::test]
async fn slow_readers_hold_up_nobody_who_joins() {
    let manager = Manager::start().await;
    // More than what the sockets of both sides take without anybody reading.
    for number in 0..24 {
        let mut node = Object::<Node>::new(format!("node-{number}"), NodeSpec::default());
        node.metadata.annotations.insert("notes".to_owned(), "x".repeat(250_000));
        manager.store().create(&node).await.unwrap();
    }
    let address = manager.listen().await;
    // The stream follows the store a moment behind.
    let is_whole = |message: &Value| message["nodes"].as_array().is_some_and(|nodes| nodes.len() == 24);
    while !is_whole(&next(&mut connect(address, "/v1/ws/live", credentials()).await.unwrap()).await) {}
    let mut stalled = Vec::new();
    for _ in 0..6 {
        stalled.push(connect_stalled(address).await);
    }
    let joined = next(&mut connect(address, "/v1/ws/live", credentials()).await.unwrap()).await;
    assert!(is_whole(&joined));
    // Nobody was given up for that. All of them read now, for who reads nothing for long is given up.
    let read = stalled.iter_mut().map(|socket| tokio::time::timeout(PATIENCE, socket.next()));
    for message in futures::future::join_all(read).await {
        assert!(message.expect("a message").unwrap().unwrap().len() > 24 * 250_000);
    }
}

/// Whatever a client calls the manager stands in the links that it gets, and each name has a text of its own.
#[tokio::test]
async fn a_list_is_not_followed_under_any_number_of_names() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    let follow = async |host: String| {
        let mut request = format!("ws://{address}/v1/ws/volumes").into_client_request().unwrap();
        request.headers_mut().insert("authorization", basic(USER, PASSWORD).parse().unwrap());
        request.headers_mut().insert("x-forwarded-host", host.parse().unwrap());
        connect_async(request).await
    };
    let mut sockets = Vec::new();
    let refused = loop {
        match follow(format!("name-{}", sockets.len())).await {
            Ok((socket, _)) => sockets.push(socket),
            Err(Error::Http(answer)) => break answer,
            Err(error) => panic!("{error}"),
        }
        assert!(sockets.len() < 100, "no limit");
    };
    assert_eq!(refused.status(), 503);
    assert!(follow("name-0".to_owned()).await.is_ok(), "one of the names that others use");
}

/// Nothing else changes when the store is well again, so nothing else would wake it.
#[tokio::test]
async fn a_list_that_could_not_be_made_comes_as_soon_as_it_can() {
    let manager = Manager::start().await;
    let address = manager.listen().await;
    let path = manager.directory.path().join("aurochs.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    sqlx::query("ALTER TABLE events RENAME TO hidden").execute(&pool).await.unwrap();
    let mut socket = connect(address, "/v1/ws/events", credentials()).await.unwrap();
    // By now the first try is over, in all likelihood.
    while manager.get("/v1/events").await.status != 500 {}
    sqlx::query("ALTER TABLE hidden RENAME TO events").execute(&pool).await.unwrap();
    assert_eq!(next(&mut socket).await["resourceType"], "event", "long before the list is repeated");
}
