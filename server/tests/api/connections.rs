//! Connections that do what they should not, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use aurochs_server::router;
use aurochs_server::web::listener::{Ending, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::harness::{Manager, PASSWORD, USER, basic};

/// Far longer than anything here takes; a test that hangs should fail.
const PATIENCE: Duration = Duration::from_secs(30);

/// A manager that listens and can be told to end.
struct Listening {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    hurry: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    _manager: Manager,
}

async fn listening(limits: Limits) -> Listening {
    let manager = Manager::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ((stop, stopped), (hurry, hurried)) = (oneshot::channel(), oneshot::channel());
    let told = |receiver: oneshot::Receiver<()>| async move { drop(receiver.await) };
    let ending = Ending { stop: told(stopped), hurry: told(hurried) };
    let ended = tokio::spawn(router::serve(listener, manager.app.clone(), limits, ending));
    Listening { address, stop, hurry, ended, _manager: manager }
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("waited too long: {what}"))
}

/// Everything that comes until the other side closes, however it does.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = in_time("the end of a connection", stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

const HALF: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-half: ";

async fn half_a_head(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(HALF).await.unwrap();
    stream
}

/// The answer to a whole request; only a connection that was accepted gives one.
async fn healthy(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    rest(&mut stream).await
}

#[tokio::test]
async fn half_a_request_is_given_up_after_a_while() {
    let listening = listening(Limits { head: Duration::from_millis(200), ..Limits::default() }).await;
    let mut stream = half_a_head(listening.address).await;
    assert_eq!(rest(&mut stream).await, "");
    // Nor is one kept that says nothing at all.
    let mut silent = TcpStream::connect(listening.address).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    assert!(healthy(listening.address).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn half_a_request_keeps_nobody_from_ending() {
    let limits = Limits { drain: Duration::from_millis(100), head: Duration::from_secs(3600), ..Limits::default() };
    let listening = listening(limits).await;
    let _half = half_a_head(listening.address).await;
    assert!(healthy(listening.address).await.starts_with("HTTP/1.1 200"), "the other one was accepted before");
    listening.stop.send(()).unwrap();
    in_time("the end", listening.ended).await.unwrap();
}

#[tokio::test]
async fn being_told_twice_is_waiting_for_nobody() {
    let hour = Duration::from_secs(3600);
    let listening = listening(Limits { drain: hour, head: hour, ..Limits::default() }).await;
    let mut half = half_a_head(listening.address).await;
    assert!(healthy(listening.address).await.starts_with("HTTP/1.1 200"), "the other one was accepted before");
    listening.stop.send(()).unwrap();
    listening.hurry.send(()).unwrap();
    in_time("the end", listening.ended).await.unwrap();
    assert_eq!(rest(&mut half).await, "");
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_the_next_is_served() {
    let listening = listening(Limits { connections: 2, ..Limits::default() }).await;
    let first = half_a_head(listening.address).await;
    let second = half_a_head(listening.address).await;
    let answer = healthy(listening.address).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    drop((first, second));
    // The manager notices that they are gone in its own time.
    in_time("a free connection", async {
        while !healthy(listening.address).await.starts_with("HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_takes_nothing_is_given_up() {
    let listening = listening(Limits { write: Duration::from_millis(200), connections: 1, ..Limits::default() }).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(listening.address).await.unwrap();
    // Answers of a hundred kilobytes each, more than the system keeps for somebody who doesn't read.
    let request = format!("GET /v1/schemas HTTP/1.1\r\nhost: a\r\nauthorization: {}\r\n\r\n", basic(USER, PASSWORD));
    let requests = request.repeat(500);
    let asked = stream.write_all(requests.as_bytes());
    let _ = tokio::time::timeout(Duration::from_secs(1), asked).await;
    in_time("the place of who takes nothing", async {
        while !healthy(listening.address).await.starts_with("HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
