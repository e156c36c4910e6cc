//! A replica that answers as a test tells it, request by request.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

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
    /// What it was told of the membership.
    pub generations: Generations,
    /// How many rounds ended that make its regions clean.
    pub rounds_ended: Arc<AtomicU64>,
    asked: mpsc::UnboundedReceiver<Asked>,
    serving: tokio::task::JoinHandle<()>,
}

/// The generations that a replica was told, and from which one on it can't remember any.
#[derive(Clone, Default)]
pub struct Generations(Arc<Mutex<(Vec<u64>, Option<u64>)>>);

impl Generations {
    pub fn told(&self) -> Vec<u64> {
        self.0.lock().unwrap().0.clone()
    }

    pub fn forget_from(&self, generation: u64) {
        self.0.lock().unwrap().1 = Some(generation);
    }

    fn tell(&self, generation: u64) -> bool {
        let mut state = self.0.lock().unwrap();
        let remembers = state.1.is_none_or(|from| generation < from);
        if remembers {
            state.0.push(generation);
        }
        remembers
    }
}

/// How a fake answers what no test is asked for.
#[derive(Clone)]
struct Habits {
    size: u64,
    checksum: [u8; 32],
    generations: Generations,
    rounds_ended: Arc<AtomicU64>,
}

impl FakeReplica {
    pub fn start(at: &Path, size: u64) -> Self {
        Self::with_checksum(at, size, [0; 32])
    }

    /// One that says this of all that it holds.
    pub fn with_checksum(at: &Path, size: u64, checksum: [u8; 32]) -> Self {
        let listener = UnixListener::bind(at).unwrap();
        let (ask, asked) = mpsc::unbounded_channel();
        let generations = Generations::default();
        let rounds_ended = Arc::new(AtomicU64::new(0));
        let habits =
            Habits { size, checksum, generations: generations.clone(), rounds_ended: Arc::clone(&rounds_ended) };
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, habits.clone(), ask.clone()));
            }
        });
        Self { address: Address::Unix(at.to_owned()), generations, rounds_ended, asked, serving }
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

async fn serve(stream: UnixStream, habits: Habits, ask: mpsc::UnboundedSender<Asked>) {
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
                let answer = match control(&serde_json::from_slice(&payload).unwrap(), &habits) {
                    Ok(reply) => {
                        let payload = AlignedBuf::copy_of(&serde_json::to_vec(&reply).unwrap());
                        (Header { kind: Kind::Done, ..header }, payload)
                    }
                    Err(kind) => frame_of(header, Reply::Fails(kind)),
                };
                answers.send(answer).unwrap();
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
            let is_read = matches!(header.kind, Kind::Read | Kind::LayerRead);
            let length = if is_read { header.length as usize } else { 0 };
            (Header { kind: Kind::Done, ..header }, AlignedBuf::zeroed(length))
        }
        Reply::Fails(kind) => {
            let error = RemoteError { kind, message: "the test says so".into() };
            (Header { kind: Kind::Failed, ..header }, AlignedBuf::copy_of(&serde_json::to_vec(&error).unwrap()))
        }
    }
}

fn control(request: &ControlRequest, habits: &Habits) -> Result<ControlReply, RemoteErrorKind> {
    let size = habits.size;
    Ok(match request {
        ControlRequest::Generation { generation } if !habits.generations.tell(*generation) => {
            return Err(RemoteErrorKind::Failed);
        }
        ControlRequest::Hello(_) => ControlReply::Welcome(Welcome { size, ..Welcome::default() }),
        // An empty head on a system snapshot that holds one block: a rebuild has something to copy.
        ControlRequest::Layers => ControlReply::Layers(vec![
            LayerInfo { parent: "volume-snap-s.img".into(), is_head: true, ..layer("volume-head-001.img", size) },
            layer("volume-snap-s.img", size),
        ]),
        ControlRequest::LayerExtents { .. } => ControlReply::Extents(vec![(0, 4096)]),
        ControlRequest::Checksum { .. } => ControlReply::Checksum(habits.checksum),
        ControlRequest::RegionRoundBegin => ControlReply::RegionRound { round: 1 },
        ControlRequest::RegionRoundEnd { .. } => {
            habits.rounds_ended.fetch_add(1, Ordering::SeqCst);
            ControlReply::Done
        }
        ControlRequest::RevisionCounter => ControlReply::RevisionCounter(None),
        _ => ControlReply::Done,
    })
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
