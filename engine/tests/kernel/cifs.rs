//! Backup targets on a real CIFS server, over the kernel's own client.

use aurochs_engine::backup::ErrorKind;

use crate::cifs_server::CifsServer;
use crate::driver::Driver;
use crate::server_address::ServerAddress;
use crate::share::{
    Server, Share, assert_nobody_mounts, is_given_up_when_its_server_is_silent, keeps_a_volume,
    loses_nothing_when_its_server_goes,
};

const CLIENT: &str = "cifs";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a CIFS server and client in the kernel: make test-kernel"]
async fn a_volume_is_backed_up_and_comes_back() {
    let client = Driver::load(CLIENT);
    let _address = ServerAddress::new().await;
    let server = CifsServer::start().await;
    let share = server.share("backups");
    keeps_a_volume(&share).await;
    let mount = share.mount().unwrap();
    println!("{mount}");
    for option in [" cifs ", "vers=3.1.1", "soft"] {
        assert!(mount.contains(option), "no {option} in: {mount}");
    }
    share.forget().await;
    client.unload().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a CIFS server and client in the kernel: make test-kernel"]
async fn what_is_wrong_with_a_target_is_said() {
    let client = Driver::load(CLIENT);
    let _address = ServerAddress::new().await;
    let mut server = CifsServer::start().await;
    let share = server.share("backups");

    server.share("nowhere").is_refused(ErrorKind::NoBucket, "correct the path").await;
    let with = |name: &str, value: &str| {
        let mut credentials = share.credentials.clone();
        credentials.iter_mut().filter(|(known, _)| known == name).for_each(|(_, known)| *known = value.to_owned());
        Share { url: share.url.clone(), credentials, directory: share.directory.clone() }
    };
    with("CIFS_PASSWORD", "not the password").is_refused(ErrorKind::Credentials, "CIFS_PASSWORD").await;
    with("CIFS_USERNAME", "stranger").is_refused(ErrorKind::Credentials, "CIFS_USERNAME").await;
    let read_only = server.share("read-only");
    read_only.is_refused(ErrorKind::Denied, "read and write").await;
    read_only.forget().await;

    server.stop().await;
    share.is_refused(ErrorKind::Unreachable, "start the CIFS server").await;
    assert_nobody_mounts().await;
    server.start().await;
    share.test().await.unwrap();
    share.forget().await;
    client.unload().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a CIFS server and client in the kernel: make test-kernel"]
async fn a_server_that_goes_in_the_middle_loses_nothing() {
    let client = Driver::load(CLIENT);
    let _address = ServerAddress::new().await;
    let mut server = CifsServer::start().await;
    let share = server.share("backups");
    loses_nothing_when_its_server_goes(&share, &mut server).await;
    share.forget().await;
    client.unload().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a CIFS server and client in the kernel: make test-kernel"]
async fn a_silent_server_is_given_up_in_time() {
    let client = Driver::load(CLIENT);
    let mut address = ServerAddress::new().await;
    let server = CifsServer::start().await;
    let share = server.share("backups");
    is_given_up_when_its_server_is_silent(&share, &mut address).await;
    share.forget().await;
    client.unload().await;
}
