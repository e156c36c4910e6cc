//! A link that can be held back, as by a stopped process, and cut, as by a pulled cable.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aurochs_engine::link::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// What happens to the connections with a number up to the first two, and from the last one on.
#[derive(Clone, Copy, Debug)]
struct Limits {
    held: u64,
    cut: u64,
    cut_from: u64,
}

pub struct Proxy {
    pub address: Address,
    limits: watch::Sender<Limits>,
    opened: Arc<AtomicU64>,
    /// Numbers of the connections whose last byte towards the replica has been passed on.
    pub drained: watch::Receiver<BTreeSet<u64>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub async fn start(at: &Path, real: &Path) -> Self {
        let listener = UnixListener::bind(at).unwrap();
        let limits = watch::Sender::new(Limits { held: 0, cut: 0, cut_from: u64::MAX });
        let opened = Arc::new(AtomicU64::new(0));
        let (drained_sender, drained) = watch::channel(BTreeSet::new());
        let (real, changes, count) = (real.to_owned(), limits.clone(), Arc::clone(&opened));
        let accepting = tokio::spawn(async move {
            while let Ok((engine, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(connection(number, engine, real.clone(), changes.subscribe(), drained_sender.clone()));
            }
        });
        Self { address: Address::Unix(at.to_owned()), limits, opened, drained, accepting }
    }

    /// Number of the last connection that was opened.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
    }

    /// Nothing more reaches the replica over the connections that are open now.
    pub fn hold(&self) {
        self.limits.send_modify(|limits| limits.held = self.opened());
    }

    /// What was held back arrives.
    pub fn release(&self) {
        self.limits.send_modify(|limits| limits.held = 0);
    }

    /// The connections that are open now break, with all that was held back.
    pub fn cut(&self) {
        self.limits.send_modify(|limits| limits.cut = self.opened());
    }

    /// Connections opened after the one with this number break, those to come included.
    pub fn cut_after(&self, number: u64) {
        self.limits.send_modify(|limits| limits.cut_from = number + 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connection(
    number: u64,
    engine: UnixStream,
    real: PathBuf,
    mut limits: watch::Receiver<Limits>,
    drained: watch::Sender<BTreeSet<u64>>,
) {
    let Ok(replica) = UnixStream::connect(real).await else { return };
    let (mut from_engine, mut to_engine) = engine.into_split();
    let (mut from_replica, mut to_replica) = replica.into_split();
    let mut holds = limits.clone();
    let there = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_engine.read(&mut buffer).await {
            if holds.wait_for(|limits| limits.held < number).await.is_err()
                || to_replica.write_all(&buffer[..length]).await.is_err()
            {
                break;
            }
        }
        drained.send_modify(|numbers| {
            numbers.insert(number);
        });
    };
    let back = async move { tokio::io::copy(&mut from_replica, &mut to_engine).await };
    let is_cut =
        async move { limits.wait_for(|limits| limits.cut >= number || limits.cut_from <= number).await.is_ok() };
    // Each direction ends by itself: a stream that its engine closed still carries what was sent before.
    let both = async { tokio::join!(there, back) };
    tokio::select! {
        _ = both => {}
        _ = is_cut => {}
    }
}
