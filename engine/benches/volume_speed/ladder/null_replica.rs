//! The replica's end of the data link with nothing behind it: every read is zeros, every write is forgotten.

use std::net::SocketAddr;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::link::control::{ControlReply, ControlRequest, RemoteError, RemoteErrorKind, Welcome};
use aurochs_engine::link::frame::{self, Header, Kind};
use aurochs_engine::replica::LayerInfo;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::net::{TcpListener, TcpStream};

/// Serves until it is killed.
pub(crate) fn serve(listen: SocketAddr, size: u64) {
    super::null_device::engine_runtime().block_on(async {
        let listener = TcpListener::bind(listen).await.unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve_stream(stream, size));
        }
    });
}

/// Answers requests in order, in place: nothing could go on beside it.
async fn serve_stream(stream: TcpStream, size: u64) {
    let (mut reader, writer) = stream.into_split();
    let mut writer = BufWriter::new(writer);
    while let Ok(Some((header, payload))) = frame::read(&mut reader).await {
        let (kind, answer) = answer(&header, &payload, size);
        let bytes = Header { kind, ..header }.encode(&answer);
        if writer.write_all(&bytes).await.is_err() || writer.write_all(&answer).await.is_err() {
            return;
        }
        if writer.flush().await.is_err() {
            return;
        }
    }
}

fn answer(header: &Header, payload: &AlignedBuf, size: u64) -> (Kind, AlignedBuf) {
    match header.kind {
        Kind::Read => (Kind::Done, AlignedBuf::zeroed(header.length as usize)),
        Kind::Control => control(serde_json::from_slice(payload).unwrap(), size),
        _ => (Kind::Done, AlignedBuf::default()),
    }
}

fn control(request: ControlRequest, size: u64) -> (Kind, AlignedBuf) {
    let reply = match request {
        ControlRequest::Hello(_) => ControlReply::Welcome(Welcome { size, generation: 1, ..Welcome::default() }),
        ControlRequest::Layers => ControlReply::Layers(vec![head(size)]),
        ControlRequest::BackingFile => ControlReply::BackingFile(String::new()),
        ControlRequest::HashStart { .. } | ControlRequest::PurgeStart | ControlRequest::SnapshotFacts { .. } => {
            let message = "there is nothing in this replica".to_owned();
            return json(Kind::Failed, &RemoteError { kind: RemoteErrorKind::Refused, message });
        }
        _ => ControlReply::Done,
    };
    json(Kind::Done, &reply)
}

fn json(kind: Kind, reply: &impl serde::Serialize) -> (Kind, AlignedBuf) {
    (kind, AlignedBuf::copy_of(&serde_json::to_vec(reply).unwrap()))
}

fn head(size: u64) -> LayerInfo {
    LayerInfo {
        file_name: "volume-head-000.img".to_owned(),
        parent: String::new(),
        removed: false,
        user_created: false,
        created: "2026-01-01T00:00:00Z".to_owned(),
        labels: [].into(),
        allocated_bytes: 0,
        file_size: size,
        is_head: true,
        image_missing: false,
    }
}
