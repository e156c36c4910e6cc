//! Encrypted volumes. Those that are opened need a kernel with device-mapper and are ignored here: `scripts/test-kernel.sh
//! encryption` boots one and runs them there.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memchr::memmem;
use tonic::Code;

use super::installation::{Installation, name, run};
use super::volume::{MIB, Secrets, Volume, block, create_request, filesystem, of_volume};

const LUKS: &str = "crypto_LUKS";
const GOOD: &str = "swordfish-3";
const TEXT: &[u8] = b"nobody else is to read this";

fn secrets(all: &[(&str, &str)]) -> Secrets {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Quick to derive, also where processors are emulated.
fn key(passphrase: &str) -> Secrets {
    secrets(&[
        ("CRYPTO_KEY_VALUE", passphrase),
        ("CRYPTO_KEY_PROVIDER", "secret"),
        ("CRYPTO_PBKDF", "argon2id"),
        ("CRYPTO_PBKDF_MEMORY", "65536"),
        ("CRYPTO_PBKDF_FORCE_ITERATIONS", "4"),
    ])
}

fn device(volume: &Volume<'_>) -> PathBuf {
    Path::new("/dev/longhorn").join(&volume.id)
}

fn plain(volume: &Volume<'_>) -> PathBuf {
    Path::new("/dev/mapper").join(&volume.id)
}

/// All that the volume stores.
fn stored(volume: &Volume<'_>) -> Vec<u8> {
    run("sync", &[]);
    run("blockdev", &["--flushbufs", device(volume).to_str().unwrap()]);
    fs::read(device(volume)).unwrap()
}

/// What the kernel has as modules, for the volume's device and for what is encrypted.
fn load() {
    run("modprobe", &["-a", "fuse", "loop", "dm_crypt"]);
}

/// An encrypted one that is attached.
async fn attached<'a>(installation: &'a Installation, base: &str, bytes: i64) -> Volume<'a> {
    let mut request = create_request(&name(base), bytes, &filesystem("ext4"));
    request.parameters.insert("encrypted".to_owned(), "true".to_owned());
    let volume = Volume::create(installation, request).await.unwrap();
    assert_eq!(volume.context["encrypted"], "true");
    volume.attach().await.unwrap();
    volume
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_to_be_encrypted_is_not_used_without() {
    let installation = Installation::start().await;
    let encrypted = attached(&installation, "secret", 64 * MIB).await;
    // One whose claim says so, though it was made without.
    let mut claimed =
        Volume::create(&installation, create_request(&name("claimed"), 64 * MIB, &filesystem("ext4"))).await.unwrap();
    claimed.attach().await.unwrap();
    claimed.context.insert("encrypted".to_owned(), "true".to_owned());
    // And one whose claim doesn't, though it was.
    let mut forgotten = attached(&installation, "forgotten", 64 * MIB).await;
    forgotten.context.clear();
    let vault = secrets(&[("CRYPTO_KEY_VALUE", "hush"), ("CRYPTO_KEY_PROVIDER", "vault")]);
    for volume in [encrypted, claimed, forgotten] {
        for refused in [volume.stage().await, volume.stage_with(&vault).await, volume.publish().await] {
            let status = refused.unwrap_err();
            assert!(status.code() == Code::InvalidArgument && status.message().contains("CRYPTO_KEY"), "{status}");
        }
        assert!(stored(&volume).iter().all(|byte| *byte == 0), "nothing was written onto {}", volume.id);
        volume.unstage().await.unwrap();
        volume.detach().await.unwrap();
    }
    assert!(installation.mounts().is_empty());
    assert!(!installation.text("driver.log").contains("hush"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with device-mapper: scripts/test-kernel.sh encryption"]
async fn the_life_of_an_encrypted_volume() {
    load();
    let mut installation = Installation::start().await;
    let volume = attached(&installation, "luks", 64 * MIB).await;
    volume.stage_with(&key(GOOD)).await.unwrap();
    volume.stage_with(&key(GOOD)).await.unwrap();
    volume.publish().await.unwrap();
    fs::write(volume.target().join("file"), TEXT.repeat(1000)).unwrap();
    let holds = run("blkid", &["-p", "-s", "TYPE", "-o", "value", device(&volume).to_str().unwrap()]);
    assert_eq!(holds.trim(), LUKS);
    assert!(memmem::find(&stored(&volume), TEXT).is_none(), "what is stored can be read");

    // It grows below the pod, by those who know the secret.
    let before = volume.filesystem_bytes().await;
    assert!(volume.expand(96 * MIB).await.unwrap().node_expansion_required);
    let status = volume.expand_on_node(96 * MIB).await.unwrap_err();
    assert!(status.code() == Code::FailedPrecondition && status.message().contains("node-expand"), "{status}");
    volume.expand_on_node_with(96 * MIB, &key(GOOD)).await.unwrap();
    volume.expand_on_node(96 * MIB).await.unwrap();
    assert!(volume.filesystem_bytes().await > before + 24 * MIB);

    // It is not given back while somebody has it open.
    assert_eq!(volume.detach().await.unwrap_err().code(), Code::FailedPrecondition);
    let (id, context) = (volume.id.clone(), volume.context.clone());
    installation.kill_driver();
    installation.start_driver().await;
    let volume = Volume { installation: &installation, id, capability: filesystem("ext4"), context };
    volume.stage_with(&key(GOOD)).await.unwrap();
    volume.unpublish().await.unwrap();
    volume.unstage().await.unwrap();
    assert!(!plain(&volume).exists());
    assert!(memmem::find(&stored(&volume), TEXT).is_none(), "what is stored can be read");

    // Neither the wrong secret nor none, nor a claim that knows nothing of it.
    let status = volume.stage_with(&key("marlin-7")).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("another passphrase"), "{status}");
    assert!(!plain(&volume).exists());
    volume.detach().await.unwrap();

    // A copy beside its source, with the same header.
    let mut request = create_request(&name("copy"), 96 * MIB, &filesystem("ext4"));
    request.volume_content_source = Some(of_volume(&volume.id));
    let plainly = Volume::create(&installation, request.clone()).await.unwrap();
    plainly.attach_when_ready().await;
    let status = plainly.stage().await.unwrap_err();
    assert!(status.code() == Code::FailedPrecondition && status.message().contains(LUKS), "{status}");
    let mut copy = plainly;
    copy.context.insert("encrypted".to_owned(), "true".to_owned());
    volume.attach_when_ready().await;
    for one in [&volume, &copy] {
        one.stage_with(&key(GOOD)).await.unwrap();
        one.publish().await.unwrap();
        assert_eq!(fs::read(one.target().join("file")).unwrap(), TEXT.repeat(1000), "{}", one.id);
    }
    for one in [&volume, &copy] {
        one.end().await;
        one.delete().await.unwrap();
    }
    assert!(installation.mounts().is_empty());
    for word in [GOOD, "marlin-7"] {
        assert!(!installation.text("driver.log").contains(word), "the log tells secrets");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with device-mapper: scripts/test-kernel.sh encryption"]
async fn what_is_there_is_neither_encrypted_nor_formatted() {
    load();
    let installation = Installation::start().await;
    let volume = attached(&installation, "used", 64 * MIB).await;
    let write = |path: &Path, bytes: &[u8], at: u64| {
        let file = File::options().write(true).open(path).unwrap();
        file.write_all_at(bytes, at).unwrap();
        file.sync_all().unwrap();
    };
    let refused = async |what: &str| {
        let status = volume.stage_with(&key(GOOD)).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{what}: {status}");
        assert!(status.message().contains("nothing is written"), "{status}");
        assert!(!plain(&volume).exists(), "{what}: the plain side is open");
    };
    write(&device(&volume), b"database", 4096);
    refused("data that nobody knows").await;
    run("mkfs.ext4", &["-q", "-F", device(&volume).to_str().unwrap()]);
    refused("a file system").await;
    run("blkdiscard", &["-f", device(&volume).to_str().unwrap()]);

    // As a device: what is written is encrypted, and no file system is made over it afterwards.
    let (id, context) = (volume.id.clone(), volume.context.clone());
    let raw = Volume { installation: &installation, capability: block(), id, context };
    raw.stage_with(&key(GOOD)).await.unwrap();
    raw.publish().await.unwrap();
    let size = run("blockdev", &["--getsize64", raw.target().to_str().unwrap()]);
    write(&raw.target(), TEXT, size.trim().parse::<u64>().unwrap() - 4096);
    raw.unpublish().await.unwrap();
    raw.unstage().await.unwrap();
    assert!(!plain(&raw).exists() && memmem::find(&stored(&raw), TEXT).is_none());
    refused("data on the plain side").await;
    volume.detach().await.unwrap();
}
