//! Downloads from a server of a few lines that does what it is told, as real ones now and then do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Disk, content};
use crate::grpc::instance_v1::image_prepare_request::Source;
use crate::grpc::instance_v1::{ImageDownload, ImagePrepareRequest, ImageState};
use crate::instance::images::Images;

/// How the server answers its first request; all later ones are answered in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Whole,
    /// Half of the body, then the connection is closed.
    Half,
    /// The same, by a server that does not know ranges.
    HalfWithoutRanges,
    Unavailable,
    Missing,
}

struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(data: Vec<u8>, first: First) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/image", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap().to_lowercase();
            let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            let from =
                request.lines().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
            let answer = answer(&data, first, is_first, from);
            let _ = stream.write_all(&answer).await;
        }
    });
    Server { url, requests, task }
}

fn answer(data: &[u8], first: First, is_first: bool, from: Option<usize>) -> Vec<u8> {
    let status = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes();
    match first {
        First::Unavailable if is_first => return status("503 Service Unavailable"),
        First::Missing => return status("404 Not Found"),
        _ => {}
    }
    let from = from.filter(|_| first != First::HalfWithoutRanges);
    let at = from.unwrap_or(0);
    let (line, range) = match from {
        Some(at) => ("206 Partial Content", format!("Content-Range: bytes {at}-{}/{}\r\n", data.len() - 1, data.len())),
        None => ("200 OK", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {line}\r\nContent-Length: {}\r\nETag: \"x\"\r\n{range}Connection: close\r\n\r\n",
        data.len() - at
    );
    let half = is_first && matches!(first, First::Half | First::HalfWithoutRanges);
    let end = if half { data.len() / 2 } else { data.len() };
    [head.as_bytes(), &data[at..end]].concat()
}

async fn download(disk: &Disk, images: &Images, url: &str, expected: &str) -> crate::grpc::instance_v1::Image {
    let request = ImagePrepareRequest {
        place: Some(disk.place_message("a")),
        expected_checksum: expected.to_owned(),
        source: Some(Source::Download(ImageDownload { url: url.to_owned() })),
    };
    images.prepare(request).await.unwrap();
    disk.settled(images).await
}

#[tokio::test]
async fn a_file_arrives_whole_however_often_the_connection_breaks() {
    for first in [First::Whole, First::Half, First::HalfWithoutRanges, First::Unavailable] {
        let (disk, images) = (Disk::new(), Images::default());
        // Zeros in between become a hole and are still zeros.
        let data = [content(300_000), vec![0; 1 << 20], content(3 << 20)].concat();
        let data = data[..data.len() / 512 * 512].to_vec();
        let server = serve(data.clone(), first).await;
        let image = download(&disk, &images, &server.url, "").await;
        assert_eq!((image.state(), image.error.as_str()), (ImageState::ImageReady, ""), "{first:?}");
        assert_eq!((image.size_bytes, image.virtual_size_bytes), (data.len() as u64, data.len() as u64));
        assert!(image.real_size_bytes < image.size_bytes, "{first:?}: {image:?}");
        assert!(std::fs::read(disk.place("a").file()).unwrap() == data, "{first:?}");
        let requests = if first == First::Whole { 1 } else { 2 };
        assert_eq!(server.requests.load(Ordering::SeqCst), requests, "{first:?}");
        // Asked again, it is there.
        download(&disk, &images, &server.url, &image.checksum).await;
        assert_eq!(server.requests.load(Ordering::SeqCst), requests, "{first:?}");
    }
}

#[tokio::test]
async fn what_is_not_the_image_that_was_meant_leaves_nothing_and_can_be_tried_again() {
    let (disk, images) = (Disk::new(), Images::default());
    let server = serve(content(4096), First::Whole).await;
    let image = download(&disk, &images, &server.url, &"0".repeat(128)).await;
    assert_eq!(image.state(), ImageState::ImageFailed);
    assert!(image.error.contains("SHA-512"), "{}", image.error);
    assert_eq!(std::fs::read_dir(disk.place("a").directory()).unwrap().count(), 0);
    let image = download(&disk, &images, &server.url, "").await;
    assert_eq!(image.state(), ImageState::ImageReady, "{}", image.error);
}

#[tokio::test]
async fn what_no_volume_can_stand_on_is_refused() {
    for (data, word) in [(content(1000), "multiple of 512"), (b"QFI\xfb\0\0\0\x09".to_vec(), "qcow2")] {
        let (disk, images) = (Disk::new(), Images::default());
        let server = serve(data, First::Whole).await;
        let image = download(&disk, &images, &server.url, "").await;
        assert!(image.state() == ImageState::ImageFailed && image.error.contains(word), "{image:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_no_is_told() {
    let (disk, images) = (Disk::new(), Images::default());
    let server = serve(Vec::new(), First::Missing).await;
    let image = download(&disk, &images, &server.url, "").await;
    assert!(image.state() == ImageState::ImageFailed && image.error.contains("404"), "{image:?}");
    assert_eq!(server.requests.load(Ordering::SeqCst), 1, "it is not asked again");
}
