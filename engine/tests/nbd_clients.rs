//! The NBD server and the clients that people use: libnbd's tools, QEMU, fio.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its message")]

mod file_device;

use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aurochs_engine::frontend::Frontend;
use aurochs_engine::frontend::nbd::{NbdConfig, NbdError, NbdFrontend, Tls};
use file_device::{FileDevice, run};
use tempfile::TempDir;

const SIZE: u64 = 64 << 20;

struct Served {
    directory: TempDir,
    device: Arc<FileDevice>,
    server: NbdFrontend,
}

impl Served {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let device = FileDevice::create(&directory.path().join("image"), SIZE);
        let config = NbdConfig {
            export: "vol-1".into(),
            unix_socket: Some(directory.path().join("nbd.sock")),
            tcp: Some("127.0.0.1:0".parse().unwrap()),
            tls: Tls::Off,
        };
        let server = NbdFrontend::start(Arc::clone(&device), config).await.unwrap();
        Self { directory, device, server }
    }

    fn uri(&self) -> String {
        self.server.uri()
    }

    /// A file with data that repeats nowhere, and a hole in the middle.
    fn source(&self) -> String {
        let path = self.directory.path().join("source");
        let file = File::create(&path).unwrap();
        file.set_len(SIZE).unwrap();
        let data: Vec<u8> = (0..(16u32 << 20) / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        file.write_all_at(&data, 0).unwrap();
        file.write_all_at(&data, SIZE - data.len() as u64).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nbdinfo_sees_the_export_as_it_is() {
    let served = Served::start().await;
    let uris = [served.uri(), served.server.tcp_uri().unwrap(), served.uri().replace("vol-1", "")];
    for uri in uris {
        let text = run("nbdinfo", &["--json", &uri]).await;
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["structured"], true, "{json}");
        let export = &json["exports"][0];
        assert_eq!(export["export-size"], SIZE);
        for yes in
            ["can_flush", "can_fua", "can_trim", "can_zero", "can_df", "can_multi_conn", "can_fast_zero", "can_cache"]
        {
            assert_eq!(export[yes], true, "{yes}");
        }
        for no in ["is_rotational", "is_read_only"] {
            assert_eq!(export[no], false, "{no}");
        }
        assert_eq!(export["block_size_minimum"], 1);
        assert_eq!(export["block_size_preferred"], 4096);
        assert_eq!(export["block_size_maximum"], 32 << 20);
    }
    assert!(json_contexts(&served.uri()).await.contains(&"base:allocation".to_owned()));
    let listed = run("nbdinfo", &["--list", &served.uri()]).await;
    assert!(listed.contains("export=\"vol-1\""), "{listed}");
    served.server.stop(false).await.unwrap();
}

async fn json_contexts(uri: &str) -> Vec<String> {
    let json: serde_json::Value = serde_json::from_str(&run("nbdinfo", &["--json", uri]).await).unwrap();
    serde_json::from_value(json["exports"][0]["contexts"].clone()).unwrap()
}

/// Clients see the hole of the source, and copy around it.
#[tokio::test(flavor = "multi_thread")]
async fn holes_are_seen_and_stay_holes() {
    let served = Served::start().await;
    run("nbdcopy", &["--flush", &served.source(), &served.uri()]).await;
    let sixteen = 16 << 20;
    assert_eq!(served.device.allocated(), 2 * sixteen, "nbdcopy wrote the data alone");
    let text = run("nbdinfo", &["--map", "--json", &served.uri()]).await;
    let map: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let seen: Vec<_> = map.iter().map(|extent| (extent["offset"].as_u64(), extent["type"].as_u64())).collect();
    assert_eq!(seen, [(Some(0), Some(0)), (Some(sixteen), Some(3)), (Some(SIZE - sixteen), Some(0))], "{text}");
    let text = run("qemu-img", &["map", "--output=json", "-f", "raw", &served.uri()]).await;
    let map: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let seen: Vec<_> = map.iter().map(|extent| (extent["start"].as_u64(), extent["data"].as_bool())).collect();
    assert_eq!(
        seen,
        [(Some(0), Some(true)), (Some(sixteen), Some(false)), (Some(SIZE - sixteen), Some(true))],
        "{text}"
    );
    let back = served.directory.path().join("back");
    run("nbdcopy", &[&served.uri(), back.to_str().unwrap()]).await;
    run("cmp", &[back.to_str().unwrap(), served.device.path().to_str().unwrap()]).await;
    let blocks = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&back).unwrap());
    assert_eq!(blocks * 512, 2 * sixteen, "the copy has the hole too");
    served.server.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nbdcopy_in_and_out_over_many_connections() {
    let served = Served::start().await;
    let source = served.source();
    run("nbdcopy", &["--flush", "--connections=4", &source, &served.uri()]).await;
    assert!(served.device.counts.flushes.load(Ordering::SeqCst) > 0, "nbdcopy --flush has to reach the device");
    run("cmp", &[&source, served.device.path().to_str().unwrap()]).await;
    let back = served.directory.path().join("back");
    run("nbdcopy", &["--connections=4", &served.server.tcp_uri().unwrap(), back.to_str().unwrap()]).await;
    run("cmp", &[&source, back.to_str().unwrap()]).await;
    served.server.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn qemu_img_converts_and_compares() {
    let served = Served::start().await;
    let source = served.source();
    run("qemu-img", &["convert", "-n", "-f", "raw", "-O", "raw", &source, &served.uri()]).await;
    run("qemu-img", &["compare", "-f", "raw", "-F", "raw", &source, &served.uri()]).await;
    run("cmp", &[&source, served.device.path().to_str().unwrap()]).await;
    served.server.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn qemu_io_writes_zeroes_trims_and_flushes() {
    let served = Served::start().await;
    let commands = [
        "write -P 0xa5 0 1M",
        "write -P 0x5a 1000 3000",
        "write -P 0x77 8M 32M",
        "read -P 0xa5 0 1000",
        "read -P 0x5a 1000 3000",
        "read -P 0x77 8M 32M",
        "write -z 512 1024",
        "read -P 0 512 1024",
        "write -z -u 64k 64k",
        "read -P 0 64k 64k",
        "read -P 0xa5 128k 1k",
        "write -f -P 0x11 2M 4k",
        "discard 8M 16M",
        "flush",
        "aio_write -P 0x33 40M 64k",
        "aio_write -P 0x44 41M 64k",
        "aio_flush",
        "read -P 0x33 40M 64k",
        "read -P 0x44 41M 64k",
    ];
    let uri = served.uri();
    let mut arguments = vec!["-f", "raw", "-t", "none", "-d", "unmap"];
    commands.iter().for_each(|command| arguments.extend(["-c", command]));
    arguments.push(&uri);
    let text = run("qemu-io", &arguments).await;
    assert!(!text.contains("failed") && !text.contains("error"), "{text}");
    let counts = &served.device.counts;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::SeqCst);
    assert!(count(&counts.stable_writes) >= 1, "write -f is a FUA write");
    assert!(count(&counts.zeroes_keeping) >= 1, "write -z keeps space");
    assert!(count(&counts.zeroes_unmapping) >= 1, "write -z -u gives space back");
    assert!(count(&counts.discards) >= 1 && count(&counts.flushes) >= 1);
    served.server.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fio_verifies_under_many_requests_at_once() {
    let served = Served::start().await;
    let uri = format!("--uri={}", served.uri());
    run(
        "fio",
        &[
            "--name=verify",
            "--ioengine=nbd",
            &uri,
            "--rw=randwrite",
            "--bsrange=512-128k",
            "--blockalign=512",
            "--iodepth=32",
            "--size=32m",
            "--verify=crc32c",
            "--verify_state_save=0",
            "--do_verify=1",
            "--verify_fatal=1",
            "--fsync=64",
        ],
    )
    .await;
    assert!(served.device.counts.most_running.load(Ordering::SeqCst) > 4, "requests of a connection run at once");
    served.server.stop(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_private_and_replaced_only_when_dead() {
    let served = Served::start().await;
    let path = served.directory.path().join("nbd.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = || NbdConfig { export: "vol-1".into(), unix_socket: Some(path.clone()), tcp: None, tls: Tls::Off };
    let refused = NbdFrontend::start(Arc::clone(&served.device), again()).await.unwrap_err();
    assert!(matches!(refused, NbdError::SocketInUse { .. }), "{refused}");
    run("nbdinfo", &["--size", &served.uri()]).await;
    served.server.stop(false).await.unwrap();
    assert!(!path.exists(), "a stopped server leaves no socket");

    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a dead server leaves its socket");
    let server = NbdFrontend::start(Arc::clone(&served.device), again()).await.unwrap();
    assert_eq!(run("nbdinfo", &["--size", &server.uri()]).await.trim(), SIZE.to_string());
    server.stop(false).await.unwrap();

    std::fs::write(&path, "not a socket").unwrap();
    let refused = NbdFrontend::start(Arc::clone(&served.device), again()).await.unwrap_err();
    assert!(matches!(refused, NbdError::NotASocket { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a socket");
}
