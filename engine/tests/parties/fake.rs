//! A replica that answers as a test tells it, request by request.

use std::path::Path;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::link::Address;
use aurochs_engine::link::control::{ControlReply, ControlRequest, RemoteError, RemoteErrorKind, Welcome};
use aurochs_engine::link::frame::{self, Header, Kind};
use aurochs_engine::replica::LayerInfo;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

/// What a data request gets.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    Done,
    Fails(RemoteErrorKind),
}

/// One data request that waits for its answer.
pub struct Asked {
    pub kind: Kind,
    answer: oneshot::Sender<Reply>,
}

impl Asked {
    pub fn answer(self, reply: Reply) {
        // The engine may have given up.
        let _ = self.answer.send(reply);
    }
}

pub struct FakeReplica {
    pub address: Address,
    asked: mpsc::UnboundedReceiver<Asked>,
    serving: tokio::task::JoinHandle<()>,
}

impl FakeReplica {
    pub fn start(at: &Path, size: u64) -> Self {
        let listener = UnixListener::bind(at).unwrap();
        let (ask, asked) = mpsc::unbounded_channel();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, size, ask.clone()));
            }
        });
        Self { address: Address::Unix(at.to_owned()), asked, serving }
    }

    /// The next data request; pings and control requests are answered without asking.
    pub async fn next(&mut self) -> Asked {
        tokio::time::timeout(super::PATIENCE, self.asked.recv()).await.expect("a request comes").unwrap()
    }

    pub async fn next_of(&mut self, kind: Kind) -> Asked {
        let asked = self.next().await;
        assert_eq!(asked.kind, kind);
        asked
    }
}

impl Drop for FakeReplica {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: UnixStream, size: u64, ask: mpsc::UnboundedSender<Asked>) {
    let (mut reader, mut writer) = stream.into_split();
    let (answers, mut outgoing) = mpsc::unbounded_channel::<(Header, AlignedBuf)>();
    tokio::spawn(async move {
        while let Some((header, payload)) = outgoing.recv().await {
            let mut bytes = header.encode(&payload).to_vec();
            bytes.extend_from_slice(&payload);
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    while let Ok(Some((header, payload))) = frame::read(&mut reader).await {
        match header.kind {
            Kind::Control => {
                let reply = control(&serde_json::from_slice(&payload).unwrap(), size);
                let payload = AlignedBuf::copy_of(&serde_json::to_vec(&reply).unwrap());
                answers.send((Header { kind: Kind::Done, ..header }, payload)).unwrap();
            }
            Kind::Ping => answers.send((Header { kind: Kind::Done, ..header }, AlignedBuf::default())).unwrap(),
            kind => {
                let (answer, told) = oneshot::channel();
                let answers = answers.clone();
                if ask.send(Asked { kind, answer }).is_err() {
                    return;
                }
                tokio::spawn(async move {
                    let Ok(reply) = told.await else { return };
                    // The engine may have closed the stream.
                    let _ = answers.send(frame_of(header, reply));
                });
            }
        }
    }
}

fn frame_of(header: Header, reply: Reply) -> (Header, AlignedBuf) {
    match reply {
        Reply::Done => {
            let length = if header.kind == Kind::Read { header.length as usize } else { 0 };
            (Header { kind: Kind::Done, ..header }, AlignedBuf::zeroed(length))
        }
        Reply::Fails(kind) => {
            let error = RemoteError { kind, message: "the test says so".into() };
            (Header { kind: Kind::Failed, ..header }, AlignedBuf::copy_of(&serde_json::to_vec(&error).unwrap()))
        }
    }
}

fn control(request: &ControlRequest, size: u64) -> ControlReply {
    match request {
        ControlRequest::Hello(_) => ControlReply::Welcome(Welcome { size, ..Welcome::default() }),
        // An empty head on a system snapshot that holds one block: a rebuild has something to copy.
        ControlRequest::Layers => ControlReply::Layers(vec![
            LayerInfo { parent: "volume-snap-s.img".into(), is_head: true, ..layer("volume-head-001.img", size) },
            layer("volume-snap-s.img", size),
        ]),
        ControlRequest::LayerExtents { .. } => ControlReply::Extents(vec![(0, 4096)]),
        ControlRequest::Checksum { .. } => ControlReply::Checksum([0; 32]),
        _ => ControlReply::Done,
    }
}

fn layer(file_name: &str, size: u64) -> LayerInfo {
    LayerInfo {
        file_name: file_name.into(),
        parent: String::new(),
        removed: false,
        user_created: false,
        created: String::new(),
        labels: std::collections::BTreeMap::new(),
        allocated_bytes: 0,
        file_size: size,
        is_head: false,
        image_missing: false,
    }
}
