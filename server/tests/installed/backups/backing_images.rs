//! Backing images of a real installation: fetched, sent, made of volumes and of each other, stood on, lost, backed up.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use aurochs_server::resources::backing_image::FileState;
use aurochs_server::resources::backup::BackupState;
use aurochs_server::resources::{
    BackingImage, BackupBackingImage, Engine, LABEL_VOLUME, Node, Object, Replica, Volume,
};
use axum::http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::Target;
use crate::installation::{Installation, MIB, VOLUME};
use crate::snapshots::run;

const IMAGE: &str = "debian";

/// Data, zeros in the middle, data at an end that is no whole block of a backup.
fn content() -> Vec<u8> {
    let mut content: Vec<u8> = (0..5 * MIB + 4096).map(|at| (at / 512 % 251) as u8 + 1).collect();
    content[(2 * MIB) as usize..(4 * MIB) as usize].fill(0);
    content
}

fn sha512(content: &[u8]) -> String {
    Sha512::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A web server that has one file. It ends with the test's process.
fn serve(file: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", file.len());
            // Who asks may have gone.
            let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(&file));
        }
    });
    address
}

fn parameters(name: &str, source: &str, parameters: Value, copies: u32) -> Value {
    json!({"name": name, "sourceType": source, "parameters": parameters, "minNumberOfCopies": copies})
}

impl Installation {
    async fn create_image(&self, body: Value) {
        self.call("POST", "/v1/backingimages", body).await;
    }

    async fn until_image(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&Object<BackingImage>) -> bool,
    ) -> Object<BackingImage> {
        self.until(&format!("{name} {what}"), async |store| {
            store.find::<BackingImage>(name).await.unwrap().is_some_and(|image| holds(&image))
        })
        .await;
        self.store().get(name).await.unwrap()
    }

    async fn until_ready_on(&self, name: &str, disks: usize) -> Object<BackingImage> {
        let ready = |image: &Object<BackingImage>| {
            image.status.disk_file_status_map.values().filter(|copy| copy.state == FileState::Ready).count()
        };
        self.until_image(name, "is ready", |image| ready(image) >= disks).await
    }

    /// The files of an image, on all disks.
    async fn image_files(&self, image: &Object<BackingImage>) -> Vec<PathBuf> {
        let nodes = self.store().list::<Node>().await.unwrap();
        let disks = nodes.iter().flat_map(|node| node.spec.disks.values());
        let files = disks.map(|disk| PathBuf::from(image.file_on(&disk.path)));
        files.filter(|file| file.is_file()).collect()
    }

    async fn downloaded(&self, image: &str) -> Vec<u8> {
        let answer = self.response(&format!("/v1/backingimages/{image}/download"), None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{image}");
        axum::body::to_bytes(answer.into_body(), 64 << 20).await.unwrap().to_vec()
    }

    async fn until_image_is_gone(&self, image: &str) {
        self.call("DELETE", &format!("/v1/backingimages/{image}"), Value::Null).await;
        self.until(&format!("{image} is gone"), async |store| {
            store.find::<BackingImage>(image).await.unwrap().is_none()
        })
        .await;
    }

    async fn delete_volume(&self, volume: &str) {
        self.call("DELETE", &format!("/v1/volumes/{volume}"), Value::Null).await;
        self.until(&format!("{volume} is gone"), async |store| store.find::<Volume>(volume).await.unwrap().is_none())
            .await;
    }
}

/// The whole way: what a volume reads over an image is what a restore of its backup reads, zeros over the image's data too.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_stands_on_a_downloaded_image() {
    let (target, content) = (Target::new(), content());
    let installation = Installation::start(2).await;
    let address = serve(content.clone());
    let mut body = parameters(IMAGE, "download", json!({"url": format!("http://{address}/debian.img")}), 2);
    body["expectedChecksum"] = sha512(&content).into();
    installation.create_image(body).await;
    let image = installation.until_ready_on(IMAGE, 2).await;
    assert_eq!(
        (image.status.checksum.as_str(), image.status.size.bytes()),
        (sha512(&content).as_str(), 5 * MIB + 4096)
    );
    assert_eq!(installation.image_files(&image).await.len(), 2);
    assert!(installation.downloaded(IMAGE).await == content);
    installation
        .until("its space is told", async |store| {
            let nodes = store.list::<Node>().await.unwrap();
            let mut disks = nodes.iter().flat_map(|node| node.status.disk_status.values());
            disks.all(|disk| disk.scheduled_backing_image.get(IMAGE) == Some(&image.status.real_size.bytes()))
        })
        .await;

    // Too small for it; and one that fits.
    let mut wish = json!({"name": VOLUME, "size": (64 * MIB).to_string(), "numberOfReplicas": 2, "frontend": "nbd"});
    wish["backingImage"] = "nothing".into();
    let (status, told) = installation.answer("POST", "/v1/volumes", wish.clone()).await;
    assert!(status.is_client_error() && told["message"].as_str().unwrap().contains("no backing image"), "{told}");
    wish["backingImage"] = IMAGE.into();
    installation.call("POST", "/v1/volumes", wish).await;
    installation.until_state("detached").await;
    installation.attach_by_api(false).await;
    let mut expected = content.clone();
    expected.resize(64 << 20, 0);
    assert!(installation.own_content().await == expected, "the image shows through");

    let path = format!("/v1/backingimages/{IMAGE}");
    let (status, told) = installation.answer("DELETE", &path, Value::Null).await;
    assert!(status == StatusCode::CONFLICT && told["message"].as_str().unwrap().contains(VOLUME), "{told}");
    let disks: Vec<&String> = image.status.disk_file_status_map.keys().collect();
    let clean_up = format!("{path}?action=backingImageCleanup");
    let (status, told) = installation.answer("POST", &clean_up, json!({"disks": [disks[0]]})).await;
    assert!(status == StatusCode::CONFLICT && told["message"].as_str().unwrap().contains("stands on it"), "{told}");

    // Zeros over the image's data, data over its zeros, and data behind its end.
    installation.write(MIB, MIB / 2, 0).await;
    installation.write(3 * MIB, MIB, 7).await;
    installation.write(20 * MIB, MIB, 9).await;
    let whole = |at: u64, length: u64| usize::try_from(at).unwrap()..usize::try_from(at + length).unwrap();
    expected[whole(MIB, MIB / 2)].fill(0);
    expected[whole(3 * MIB, MIB)].fill(7);
    expected[whole(20 * MIB, MIB)].fill(9);
    assert!(installation.own_content().await == expected);
    installation.set_target(&target.url()).await;
    let backup = installation.back_up("one").await;
    let of = installation.backup_volume().await;
    assert_eq!(
        (of.status.backing_image_name.as_str(), &of.status.backing_image_checksum),
        (IMAGE, &image.status.checksum)
    );
    installation.restore("back", &backup.status.url, json!({})).await;
    let restored = installation.until_restored("back").await;
    assert_eq!(restored.spec.backing_image, IMAGE, "the backup says on what it stands");
    assert!(installation.content("back").await == expected, "zeros written over the image survive");
    installation
        .until("back is detached", async |store| {
            store.get::<Volume>("back").await.unwrap().status.state
                == aurochs_server::resources::volume::VolumeState::Detached
        })
        .await;
    installation.delete_volume("back").await;

    // A copy of the volume stands on the same image.
    let wish = json!({"name": "copy", "size": (64 * MIB).to_string(), "numberOfReplicas": 1, "frontend": "nbd",
        "dataSource": format!("vol://{VOLUME}")});
    installation.call("POST", "/v1/volumes", wish).await;
    installation.until("the copy is made", async |store| store.get::<Volume>("copy").await.unwrap().is_filled()).await;
    assert_eq!(installation.store().get::<Volume>("copy").await.unwrap().spec.backing_image, IMAGE);
    assert!(installation.content("copy").await == expected);
    installation
        .until("copy is detached", async |store| {
            store.get::<Volume>("copy").await.unwrap().status.state
                == aurochs_server::resources::volume::VolumeState::Detached
        })
        .await;
    installation.delete_volume("copy").await;
    installation.detach_by_api().await;
    installation.delete_volume(VOLUME).await;
    installation.until_image_is_gone(IMAGE).await;
    assert_eq!(installation.image_files(&image).await.len(), 0, "its files go with it");
    installation.stop().await;
}

/// A file that is lost comes back from another copy; one that nobody needs goes, the last one never.
#[tokio::test(flavor = "multi_thread")]
async fn copies_come_back_and_go() {
    let content = content();
    let installation = Installation::start(2).await;
    let address = serve(content.clone());
    installation.create_image(parameters(IMAGE, "download", json!({"url": format!("http://{address}/")}), 2)).await;
    let image = installation.until_ready_on(IMAGE, 2).await;
    let files = installation.image_files(&image).await;
    std::fs::remove_dir_all(files[0].parent().unwrap()).unwrap();
    installation
        .until("the lost file is there again", async |_| installation.image_files(&image).await.len() == 2)
        .await;
    assert!(std::fs::read(&files[0]).unwrap() == content);
    installation.until_ready_on(IMAGE, 2).await;

    // One copy is enough now: the other one goes when a person says so.
    let path = format!("/v1/backingimages/{IMAGE}");
    installation.call("POST", &format!("{path}?action=updateMinNumberOfCopies"), json!({"minNumberOfCopies": 1})).await;
    let disks: Vec<String> = image.status.disk_file_status_map.keys().cloned().collect();
    let clean_up = format!("{path}?action=backingImageCleanup");
    let (status, told) = installation.answer("POST", &clean_up, json!({"disks": disks})).await;
    assert!(status == StatusCode::CONFLICT && told["message"].as_str().unwrap().contains("no disk any more"), "{told}");
    installation.call("POST", &clean_up, json!({"disks": [disks[0]]})).await;
    installation.until("one file is left", async |_| installation.image_files(&image).await.len() == 1).await;
    let left =
        installation.until_image(IMAGE, "is on one disk", |image| image.status.disk_file_status_map.len() == 1).await;
    assert!(left.is_ready_on(&disks[1]), "{:?}", left.status);

    // A volume with replicas on both nodes brings it to the other one again.
    let wish = json!({"name": VOLUME, "size": (64 * MIB).to_string(), "numberOfReplicas": 2, "frontend": "nbd",
        "backingImage": IMAGE});
    installation.call("POST", "/v1/volumes", wish).await;
    installation.until_state("detached").await;
    installation.attach_by_api(false).await;
    let replicas: Vec<Object<Replica>> = installation.store().list_labelled(LABEL_VOLUME, VOLUME).await.unwrap();
    let image = installation.until_ready_on(IMAGE, 2).await;
    assert!(replicas.iter().all(|replica| image.is_ready_on(&replica.spec.disk_id)), "{:?}", image.status);
    let shown = installation.volume().await;
    assert_ne!(shown["conditions"]["WaitForBackingImage"]["status"], "True", "{shown}");
    installation.stop().await;
}

/// The answer to an upload. Of one that was refused a moment ago the manager may not have heard yet that it is over.
async fn uploaded(installation: &Installation, path: &str, kind: &str, body: Vec<u8>) -> (StatusCode, String) {
    loop {
        let answer = installation.send(path, kind, body.clone()).await;
        if answer.0 != StatusCode::CONFLICT || !answer.1.contains("takes no upload now") {
            return answer;
        }
        let waits = |image: &Object<BackingImage>| {
            image.status.disk_file_status_map.values().all(|copy| copy.state == FileState::Pending)
        };
        installation.until_image(IMAGE, "waits for an upload", waits).await;
    }
}

/// An upload in a form, what volumes are made into, and copies of images.
#[tokio::test(flavor = "multi_thread")]
async fn images_of_uploads_volumes_and_images() {
    let content = content();
    let installation = Installation::start(1).await;
    installation.create_image(parameters(IMAGE, "upload", json!({}), 1)).await;
    let address = format!("/v1/backingimages/{IMAGE}?action=upload");
    let form = |file: &[u8]| {
        let head = b"--xyz\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"a\"\r\n\r\n";
        [head.as_slice(), file, b"\r\n--xyz--\r\n"].concat()
    };
    let kind = "multipart/form-data; boundary=xyz";
    let (status, told) = uploaded(&installation, &format!("{address}&size=17"), kind, form(&content)).await;
    assert!(status.is_client_error() && told.contains("17"), "{status} {told}");
    // One byte more than was announced comes when all that was announced is there already.
    let path = format!("{address}&size={}", content.len() - 1);
    let (status, told) = uploaded(&installation, &path, "application/octet-stream", content.clone()).await;
    assert!(status.is_client_error() && told.contains("does not end"), "{status} {told}");
    let nothing = installation.store().get::<BackingImage>(IMAGE).await.unwrap();
    assert_eq!(installation.image_files(&nothing).await.len(), 0, "what is refused makes no image");
    let path = format!("{address}&size={}", content.len());
    let (status, told) = uploaded(&installation, &path, kind, form(&content[..100])).await;
    assert!(status.is_client_error(), "{status} {told}");
    let (status, told) = uploaded(&installation, &path, kind, form(&content)).await;
    assert_eq!((status, told.as_str()), (StatusCode::OK, ""));
    installation.until_ready_on(IMAGE, 1).await;
    assert!(installation.downloaded(IMAGE).await == content);
    let (status, told) = installation.send(&path, kind, form(&content)).await;
    assert!(status == StatusCode::CONFLICT && told.contains("takes no upload"), "{told}");

    let mut clone = parameters("clone", "clone", json!({"backing-image": IMAGE, "encryption": "encrypt"}), 1);
    let (status, told) = installation.answer("POST", "/v1/backingimages", clone.clone()).await;
    assert!(status.is_client_error() && told["message"].as_str().unwrap().contains("encrypted"), "{told}");
    clone["parameters"]["encryption"] = "ignore".into();
    installation.create_image(clone).await;
    installation.until_ready_on("clone", 1).await;
    assert!(installation.downloaded("clone").await == content);

    // A volume on an image, with data of its own, becomes an image that stands alone.
    let wish = json!({"name": VOLUME, "size": (64 * MIB).to_string(), "numberOfReplicas": 1, "frontend": "nbd",
        "backingImage": IMAGE});
    installation.call("POST", "/v1/volumes", wish).await;
    installation.until_state("detached").await;
    installation.attach_by_api(false).await;
    installation.write(MIB, MIB, 0).await;
    installation.write(30 * MIB, MIB, 3).await;
    let whole = installation.own_content().await;
    installation.detach_by_api().await;
    for format in ["raw", "qcow2"] {
        let from = json!({"volume-name": VOLUME, "export-type": format});
        installation.create_image(parameters(format, "export-from-volume", from, 1)).await;
        let image = installation.until_ready_on(format, 1).await;
        assert_eq!(image.status.virtual_size.bytes(), 64 * MIB, "{format}");
    }
    assert!(installation.downloaded("raw").await == whole);
    let qcow2 = installation.image_files(&installation.until_ready_on("qcow2", 1).await).await.remove(0);
    let raw = installation.path().join("qcow2.raw");
    let converted =
        run("qemu-img", &["convert", "-f", "qcow2", "-O", "raw", qcow2.to_str().unwrap(), raw.to_str().unwrap()]).await;
    assert!(converted.status.success(), "{converted:?}");
    assert!(std::fs::read(&raw).unwrap() == whole, "what was exported is what the volume held");
    // The volume is let go of, and nothing of the export stays on it.
    installation.until_state("detached").await;
    installation.delete_volume(VOLUME).await;
    for image in ["raw", "qcow2", "clone", IMAGE] {
        installation.until_image_is_gone(image).await;
    }
    installation.stop().await;
}

/// Into a target, away, and back; with a manager that comes back to what it finds there.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_backed_up_and_restored() {
    let (target, content) = (Target::new(), content());
    let mut installation = Installation::start(1).await;
    let address = serve(content.clone());
    installation.create_image(parameters(IMAGE, "download", json!({"url": format!("http://{address}/")}), 1)).await;
    let image = installation.until_ready_on(IMAGE, 1).await;
    let back_up = format!("/v1/backingimages/{IMAGE}?action=backupBackingImageCreate");
    let (status, told) = installation.answer("POST", &back_up, json!({"backupTargetName": "default"})).await;
    assert!(status == StatusCode::CONFLICT && told["message"].as_str().unwrap().contains("no address"), "{told}");
    installation.set_target(&target.url()).await;
    installation.call("POST", &back_up, json!({"backupTargetName": "default"})).await;
    let complete = async |installation: &Installation| {
        installation
            .until("the image is backed up", async |store| {
                let all = store.list::<BackupBackingImage>().await.unwrap();
                assert!(all.iter().all(|one| one.status.state != BackupState::Error), "{all:?}");
                all.iter().any(|one| one.status.state == BackupState::Completed)
            })
            .await;
        installation.store().list::<BackupBackingImage>().await.unwrap().remove(0)
    };
    let backup = complete(&installation).await;
    assert_eq!((&backup.status.checksum, backup.status.size.bytes()), (&image.status.checksum, 5 * MIB + 4096));
    assert!(backup.status.url.ends_with(&format!("?backingImage={IMAGE}")), "{}", backup.status.url);
    // Blocks of 2 MiB; the one in the middle is a hole, the last one is short.
    assert_eq!(target.files(".blk").len(), 2);
    assert_eq!(target.files("backing-image.cfg").len(), 1);
    let (status, _) = installation.answer("POST", &back_up, json!({"backupTargetName": "default"})).await;
    assert_eq!(status, StatusCode::CONFLICT, "one is enough");

    installation.until_image_is_gone(IMAGE).await;
    installation.stop_manager().await;
    installation.start_manager(1).await;
    installation.sync().await;
    let backup = complete(&installation).await;
    let restore = format!("/v1/backupbackingimages/{}?action=backupBackingImageRestore", backup.name());
    installation.call("POST", &restore, json!({})).await;
    let again = installation.until_ready_on(IMAGE, 1).await;
    assert_eq!(again.status.checksum, image.status.checksum);
    assert_ne!(again.status.uuid, image.status.uuid);
    assert!(installation.downloaded(IMAGE).await == content);
    let (status, told) = installation.answer("POST", &restore, json!({})).await;
    assert!(status == StatusCode::CONFLICT && told["message"].as_str().unwrap().contains("already"), "{told}");

    installation.call("DELETE", &format!("/v1/backupbackingimages/{}", backup.name()), Value::Null).await;
    installation
        .until("the backup is gone", async |store| store.list::<BackupBackingImage>().await.unwrap().is_empty())
        .await;
    assert_eq!(target.files(".blk").len() + target.files("backing-image.cfg").len(), 0, "{:?}", target.files(""));
    let engines = installation.store().list::<Engine>().await.unwrap();
    assert!(engines.is_empty(), "{engines:?}");
    installation.stop().await;
}

/// What fails is told with a reason, and is not tried without an end.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_can_not_be_had_says_why() {
    let content = content();
    let installation = Installation::start(1).await;
    let address = serve(content.clone());
    let mut body = parameters(IMAGE, "download", json!({"url": format!("http://{address}/")}), 1);
    body["expectedChecksum"] = "0".repeat(128).into();
    installation.create_image(body).await;
    let failed = |image: &Object<BackingImage>| {
        image.status.disk_file_status_map.values().any(|copy| copy.state == FileState::Failed)
    };
    let image = installation.until_image(IMAGE, "has failed", failed).await;
    let shown = installation.call("GET", &format!("/v1/backingimages/{IMAGE}"), Value::Null).await;
    let cause = &shown["causes"][0];
    assert_eq!(cause["code"], "backing-image-failed", "{shown}");
    assert!(cause["message"].as_str().unwrap().contains("SHA-512"), "{cause}");
    assert!(!cause["nextStep"].as_str().unwrap().is_empty(), "{cause}");
    assert_eq!(installation.image_files(&image).await.len(), 0, "nothing wrong has the image's name");
    // A volume on it waits, and says for what.
    let wish = json!({"name": VOLUME, "size": (64 * MIB).to_string(), "numberOfReplicas": 1, "frontend": "nbd",
        "backingImage": IMAGE});
    installation.call("POST", "/v1/volumes", wish).await;
    installation.until_state("detached").await;
    installation.act("attach", json!({"hostId": "node-1"})).await;
    let waiting = installation
        .until_shown("it waits for its image", |volume| volume["conditions"]["WaitForBackingImage"]["status"] == "True")
        .await;
    let codes = waiting["causes"].as_array().unwrap().iter().map(|cause| cause["code"].as_str().unwrap());
    assert!(codes.collect::<Vec<_>>().contains(&"backing-image-waiting"), "{waiting}");
    installation.act("detach", json!({})).await;
    installation.until_state("detached").await;
    installation.delete_volume(VOLUME).await;
    installation.until_image_is_gone(IMAGE).await;
    installation.stop().await;
}
