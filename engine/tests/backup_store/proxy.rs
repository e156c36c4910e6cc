//! A line to a real server that can be bad: it answers in the server's place, says nothing, or breaks off answers.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to a connection.
#[derive(Clone, Debug)]
enum Fate {
    Pass,
    /// This is the answer to what is asked.
    Answer(Arc<str>),
    /// Nothing comes back.
    Silence,
    /// So many bytes come back.
    Cut(u64),
}

/// The next connections have a fate, and those after them pass.
#[derive(Clone, Debug)]
struct Plan {
    fate: Fate,
    left: u64,
}

pub(crate) struct Proxy {
    port: u16,
    plan: Arc<watch::Sender<Plan>>,
    /// First lines of what was asked.
    pub(crate) asked: watch::Receiver<Vec<String>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// In front of the server on `port` of this machine.
    pub(crate) async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let plan = Arc::new(watch::Sender::new(Plan { fate: Fate::Pass, left: 0 }));
        let (lines, asked) = watch::channel(Vec::new());
        let plans = Arc::clone(&plan);
        let lines = Arc::new(lines);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut fate = Fate::Pass;
                plans.send_modify(|plan| {
                    if plan.left > 0 {
                        plan.left -= 1;
                        fate = plan.fate.clone();
                    }
                });
                tokio::spawn(connection(client, port, fate, Arc::clone(&lines)));
            }
        });
        Self { port: own, plan, asked, accepting }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next `count` connections get this answer.
    pub(crate) fn answer(&self, status: &str, body: &str, count: u64) {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        self.plan.send_replace(Plan { fate: Fate::Answer(answer.into()), left: count });
    }

    pub(crate) fn silence(&self, count: u64) {
        self.plan.send_replace(Plan { fate: Fate::Silence, left: count });
    }

    /// The answers on the next `count` connections break off.
    pub(crate) fn cut(&self, bytes: u64, count: u64) {
        self.plan.send_replace(Plan { fate: Fate::Cut(bytes), left: count });
    }

    /// How many connections are still to have the fate.
    pub(crate) fn left(&self) -> u64 {
        self.plan.borrow().left
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connection(mut client: TcpStream, port: u16, fate: Fate, asked: Arc<watch::Sender<Vec<String>>>) {
    let Some(head) = head(&mut client).await else { return };
    let (line, rest) = head.split_once("\r\n").unwrap();
    asked.send_modify(|lines| lines.push(line.to_owned()));
    match fate {
        Fate::Answer(answer) => {
            // All of it, or the close would throw the answer away with what was not read.
            swallow(&mut client, rest).await;
            let _ = client.write_all(answer.as_bytes()).await;
        }
        Fate::Silence => {
            let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
        }
        Fate::Pass => pass(client, port, &head_for_server(line, rest), u64::MAX).await,
        Fate::Cut(bytes) => pass(client, port, &head_for_server(line, rest), bytes).await,
    }
}

/// A proxy is asked for whole URLs, and asks the server for paths.
fn head_for_server(line: &str, rest: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    if let Some(path) = words[1].strip_prefix("http://").and_then(|url| url.find('/').map(|at| &url[at..])) {
        words[1] = path;
    }
    format!("{}\r\n{rest}", words.join(" "))
}

async fn pass(client: TcpStream, port: u16, head: &str, limit: u64) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    if to_server.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let there = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        std::future::pending::<()>().await;
    };
    let mut limited = from_server.take(limit);
    // When the server has said all, or may say no more, both sides are closed.
    tokio::select! {
        () = there => {}
        _ = tokio::io::copy(&mut limited, &mut to_client) => {}
    }
}

/// A request up to its body, byte by byte, so that nothing of the body is taken.
async fn head(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn swallow(client: &mut TcpStream, head: &str) {
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<u64>().ok());
    let mut body = client.take(length.unwrap_or_default());
    let _ = tokio::io::copy(&mut body, &mut tokio::io::sink()).await;
}
