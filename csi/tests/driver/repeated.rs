//! Every call again, at the same time, and by a driver that was killed in between.

use aurochs_csi::csi::volume_capability::access_mode::Mode;
use tonic::{Code, Status};

use super::installation::{Installation, name};
use super::volume::{MIB, Volume, create_request, delete_snapshot, filesystem, of_snapshot, of_volume};

/// Three callers at once, each twice.
async fn by_many(call: impl AsyncFn() -> Result<(), Status>) {
    let twice = async || {
        call().await.unwrap();
        call().await.unwrap();
    };
    tokio::join!(twice(), twice(), twice());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_calls_by_many() {
    let installation = Installation::start().await;
    // Not ext4, which needs a right to grow that containers lack.
    let request = create_request(&name("many"), 320 * MIB, &filesystem("xfs"));
    by_many(async || Volume::create(&installation, request.clone()).await.map(drop)).await;
    let volume = Volume::create(&installation, request.clone()).await.unwrap();
    by_many(async || volume.attach().await).await;
    by_many(async || volume.stage().await).await;
    by_many(async || volume.publish().await).await;
    let layers = installation.mounts();
    assert_eq!(layers.len(), 2, "once staged and once published: {layers:?}");
    std::fs::write(volume.target().join("file"), "kept").unwrap();
    by_many(async || volume.snapshot("one", "snap").await.map(drop)).await;
    by_many(async || volume.expand(352 * MIB).await.map(drop)).await;
    by_many(async || volume.expand_on_node(352 * MIB).await).await;
    by_many(async || volume.unpublish().await).await;
    by_many(async || volume.unstage().await).await;
    by_many(async || volume.detach().await).await;
    by_many(async || delete_snapshot(&installation, &format!("snap://{}/one", volume.id)).await).await;
    by_many(async || volume.delete().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_was_killed_goes_on_where_it_was() {
    let mut installation = Installation::start().await;
    let request = create_request(&name("killed"), 64 * MIB, &filesystem("ext4"));
    // At a different point each time, from the call that makes a file system to the one that unmounts it.
    for milliseconds in [0, 5, 10, 20, 40, 60, 80, 120, 160, 240] {
        let part = async |installation: &Installation| {
            let volume = Volume::create(installation, request.clone()).await?;
            volume.attach().await?;
            volume.stage().await?;
            volume.publish().await?;
            volume.unpublish().await?;
            volume.unstage().await
        };
        let pause = std::time::Duration::from_millis(milliseconds);
        let _ = tokio::time::timeout(pause, part(&installation)).await;
        installation.kill_driver();
        installation.start_driver().await;
        // A program that the killed driver had started may still be at work; Kubernetes comes again.
        while let Err(status) = part(&installation).await {
            assert_eq!(status.code(), Code::Aborted, "{status}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let volume = Volume::create(&installation, request.clone()).await.unwrap();
        volume.detach().await.unwrap();
        volume.delete().await.unwrap();
        assert!(installation.mounts().is_empty(), "{:?}", installation.mounts());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_get_the_right_codes() {
    let installation = Installation::start().await;
    let good = create_request(&name("codes"), 64 * MIB, &filesystem("ext4"));
    let volume = Volume::create(&installation, good.clone()).await.unwrap();
    let code = async |request| Volume::create(&installation, request).await.map(drop).unwrap_err().code();

    let mut larger = good.clone();
    larger.capacity_range.as_mut().unwrap().required_bytes *= 2;
    assert_eq!(code(larger).await, Code::AlreadyExists);
    let mut shared = create_request(&name("shared"), 64 * MIB, &filesystem("ext4"));
    shared.volume_capabilities[0].access_mode.as_mut().unwrap().set_mode(Mode::MultiNodeMultiWriter);
    let status = Volume::create(&installation, shared).await.map(drop).unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("ReadWriteMany"), "{status}");
    assert_eq!(code(create_request(&name("too-small"), 64 * MIB, &filesystem("xfs"))).await, Code::OutOfRange);
    let other = || create_request(&name("other"), 64 * MIB, &filesystem("ext4"));
    for (source, wanted) in [
        (of_snapshot("snap://none/none"), Code::NotFound),
        (of_snapshot(&format!("snap://{}/none", volume.id)), Code::NotFound),
        (of_snapshot("bak://none/none"), Code::NotFound),
        (of_snapshot("none"), Code::NotFound),
        (of_snapshot("zfs://a/b"), Code::InvalidArgument),
        (of_volume("none"), Code::NotFound),
    ] {
        let request = aurochs_csi::csi::CreateVolumeRequest { volume_content_source: Some(source), ..other() };
        assert_eq!(code(request.clone()).await, wanted, "{:?}", request.volume_content_source);
    }
    for (key, value) in [("dataLocality", "near"), ("numberOfReplicas", "99"), ("encrypted", "yes")] {
        let mut request = other();
        request.parameters.insert(key.to_owned(), value.to_owned());
        assert_eq!(code(request).await, Code::InvalidArgument, "{key}");
    }
    let larger_copy = aurochs_csi::csi::CreateVolumeRequest {
        volume_content_source: Some(of_volume(&volume.id)),
        ..create_request(&name("other"), 128 * MIB, &filesystem("ext4"))
    };
    assert_eq!(code(larger_copy).await, Code::OutOfRange);
    assert_eq!(volume.stage().await.unwrap_err().code(), Code::FailedPrecondition, "it is not attached");
    assert_eq!(volume.stats().await.unwrap_err().code(), Code::NotFound);
    volume.snapshot("one", "snap").await.unwrap();
    let second = Volume::create(&installation, other()).await.unwrap();
    assert_eq!(second.snapshot("one", "snap").await.unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(second.snapshot("two", "tape").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(second.snapshot("two", "bak").await.unwrap_err().code(), Code::Aborted, "no backup target");
}
