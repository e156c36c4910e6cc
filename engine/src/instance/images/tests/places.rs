//! What is on a disk, and what a restart finds there.

use std::fs;

use sha2::{Digest, Sha512};

use super::{Disk, content};
use crate::grpc::instance_v1::image_prepare_request::Source;
use crate::grpc::instance_v1::{ImageDownload, ImagePrepareRequest, ImageState};
use crate::instance::images::sink::{Sink, hexadecimal};
use crate::instance::images::{Images, progress::Progress, seal};

/// Writes an image as a work does.
async fn write(disk: &Disk, data: &[u8]) {
    let (place, progress) = (disk.place("a"), Progress::default());
    place.make().unwrap();
    let mut sink = Sink::create(&place.unfinished(), &progress);
    for part in data.chunks(70_001) {
        sink.write(bytes::Bytes::copy_from_slice(part)).await.unwrap();
    }
    let written = sink.finish().await.unwrap();
    assert_eq!(written.checksum, hexadecimal(&Sha512::digest(data)));
    seal::seal(&place, "", &written).unwrap();
}

#[tokio::test]
async fn a_restart_finds_what_is_whole_and_nothing_else() {
    let disk = Disk::new();
    write(&disk, &content(8192)).await;
    let place = disk.place("a");
    assert_eq!(disk.list(&Images::default()).await[0].state(), ImageState::ImageReady);
    // A crash before the last step.
    fs::rename(place.file(), place.unfinished()).unwrap();
    assert!(disk.list(&Images::default()).await.is_empty());
    // One of another program, or of a backup of the disk.
    fs::rename(place.unfinished(), place.file()).unwrap();
    fs::remove_file(place.record()).unwrap();
    let images = Images::default();
    assert_eq!(disk.list(&images).await[0].state(), ImageState::ImageInProgress);
    let found = disk.settled(&images).await;
    assert_eq!((found.state(), found.checksum), (ImageState::ImageReady, hexadecimal(&Sha512::digest(content(8192)))));
}

#[tokio::test]
async fn a_file_that_was_changed_is_no_image_any_more() {
    let disk = Disk::new();
    write(&disk, &content(8192)).await;
    fs::write(disk.place("a").file(), content(12288)).unwrap();
    let images = Images::default();
    let found = disk.settled(&images).await;
    assert!(found.state() == ImageState::ImageFailed && found.error.contains("SHA-512"), "{found:?}");
    images.delete(&disk.place("a")).await.unwrap();
    assert!(disk.list(&images).await.is_empty() && !disk.place("a").directory().exists());
}

#[tokio::test]
async fn another_disk_at_the_path_is_left_alone() {
    let (disk, other, images) = (Disk::new(), Disk::new(), Images::default());
    let mut place = disk.place_message("a");
    place.disk_uuid = other.place_message("a").disk_uuid;
    let source = Some(Source::Download(ImageDownload { url: "http://127.0.0.1:1/".to_owned() }));
    let request = ImagePrepareRequest { place: Some(place), expected_checksum: String::new(), source };
    images.prepare(request).await.unwrap_err();
    assert!(!disk.path().join("backing-images").exists());
}

/// The server accepts and never answers.
#[tokio::test]
async fn what_is_deleted_while_it_is_made_is_gone() {
    let (disk, images) = (Disk::new(), Images::default());
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let request = ImagePrepareRequest {
        place: Some(disk.place_message("a")),
        expected_checksum: String::new(),
        source: Some(Source::Download(ImageDownload { url })),
    };
    images.prepare(request.clone()).await.unwrap();
    let (_connection, _) = silent.accept().await.unwrap();
    assert_eq!(disk.list(&images).await[0].state(), ImageState::ImageInProgress);
    images.delete(&disk.place("a")).await.unwrap();
    assert!(disk.list(&images).await.is_empty() && !disk.place("a").directory().exists());
    // And can be begun again.
    images.prepare(request).await.unwrap();
    let (_connection, _) = silent.accept().await.unwrap();
    images.delete(&disk.place("a")).await.unwrap();
}
