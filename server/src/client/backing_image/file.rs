//! Files of backing images, to the manager and from it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use aurochs_api::size::ByteSize;
use bytes::Bytes;

use crate::client::Client;
use crate::client::failure::{Failure, Kind};
use crate::client::http::segment;
use crate::client::progress::{Progress, ProgressLine};

/// Bytes of the file that are read at a time.
const PIECE_BYTES: usize = 256 << 10;

fn wrong(path: &Path, what: &str, error: &std::io::Error) -> Failure {
    Failure::refused(format!("{} can't be {what}: {error}", path.display()), "Look at this file and its directory.")
}

/// Sends a file to an image that waits for one. Returns when a disk has all of it.
pub(super) async fn upload(client: &Client, image: &str, path: &Path) -> Result<ByteSize, Failure> {
    let mut file = File::open(path).map_err(|error| wrong(path, "read", &error))?;
    let size = file.metadata().map_err(|error| wrong(path, "read", &error))?.len();
    let (pieces, body) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(4);
    let name = image.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let (mut line, mut done) = (ProgressLine::new(), ByteSize::ZERO);
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let read = file.read(&mut piece);
            let is_over = !matches!(read, Ok(1..));
            let piece = read.map(|length| {
                piece.truncate(length);
                Bytes::from(piece)
            });
            done = done.saturating_add(ByteSize(piece.as_ref().map_or(0, |piece| piece.len() as u64)));
            if matches!(&piece, Ok(piece) if piece.is_empty()) || pieces.blocking_send(piece).is_err() || is_over {
                return;
            }
            line.draw(&Progress { done, planned: Some(ByteSize(size)), ..Progress::at(format!("uploading {name}")) });
        }
    });
    let address = format!("/v1/backingimages/{}?action=upload&size={size}", segment(image));
    let sent = client.api.upload(&address, body, size).await;
    reading.abort();
    sent.map(|()| ByteSize(size))
}

/// Writes a file that was not there before.
pub(super) async fn download(client: &Client, image: &str, path: &Path) -> Result<ByteSize, Failure> {
    let written = |error: std::io::Error| wrong(path, "written", &error);
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(written)?;
    let answer = client.api.download(&format!("/v1/backingimages/{}/download", segment(image))).await;
    // Nothing came: an empty file would only be in the way of the next try.
    let mut answer = answer.inspect_err(|_| drop(std::fs::remove_file(path)))?;
    let (mut line, mut done, planned) = (ProgressLine::new(), ByteSize::ZERO, answer.content_length().map(ByteSize));
    let broke = |error: reqwest::Error| {
        let message = format!("the download ended early: {error}");
        Failure::new(Kind::Unreachable, message, format!("Remove {} and download it again.", path.display()))
    };
    while let Some(piece) = answer.chunk().await.map_err(broke)? {
        file.write_all(&piece).map_err(written)?;
        done = done.saturating_add(ByteSize(piece.len() as u64));
        line.draw(&Progress { done, planned, ..Progress::at(format!("downloading {image}")) });
    }
    file.sync_all().map_err(written)?;
    Ok(done)
}
