//! Connections that do what they should not, and a manager that ends all the same.

use aurochs_server::router;
use aurochs_server::web::connections::{self, Door, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::harness::Manager;

/// Far longer than anything here takes; a test that hangs should fail.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

async fn half_a_head(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-half: ").await.unwrap();
    stream
}

/// Everything that comes until the other side closes, however it does.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the end of a connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn healthy(address: std::net::SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may be closed before this is written.
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    rest(&mut stream).await.starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn half_a_request_keeps_nobody_from_ending() {
    let manager = Manager::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let told = async move { drop(stopped.await) };
    let ended = tokio::spawn(router::serve(listener, manager.app.clone(), told));
    let _half = half_a_head(address).await;
    assert!(healthy(address).await, "the other one was accepted before");
    stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, ended).await.expect("the end").unwrap();
}

#[tokio::test]
async fn one_client_does_not_take_all_places() {
    let manager = Manager::start().await;
    for (trusted, served) in [(false, false), (true, true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits { of_one_client: 2, ..Limits::default() };
        let service = router::service(manager.app.clone());
        let door = Door { listener, tls: None, limits };
        tokio::spawn(connections::serve(door, service, move |_| trusted, std::future::pending()));
        let _held = [half_a_head(address).await, half_a_head(address).await];
        assert_eq!(healthy(address).await, served, "trusted: {trusted}");
    }
}
