//! Encryption is refused, and never left out.

use tonic::Code;

use super::installation::{Installation, name};
use super::volume::{MIB, Volume, create_request, filesystem};

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_to_be_encrypted_is_not_used_without() {
    let installation = Installation::start().await;
    let mut volume =
        Volume::create(&installation, create_request(&name("plain"), 64 * MIB, &filesystem("ext4"))).await.unwrap();
    volume.attach().await.unwrap();
    volume.context.insert("encrypted".to_owned(), "true".to_owned());
    for refused in [volume.stage().await, volume.publish().await] {
        let status = refused.unwrap_err();
        assert!(status.code() == Code::FailedPrecondition && status.message().contains("encrypt"), "{status}");
    }
    assert!(installation.mounts().is_empty());
    volume.detach().await.unwrap();
}
