//! Backup targets on a real NFS server, over the kernel's own client.

use aurochs_engine::backup::{ErrorKind, Store};
use bytes::Bytes;

use crate::driver::Driver;
use crate::nfs_server::{self, NfsServer};
use crate::node::MIB;
use crate::server_address::ServerAddress;
use crate::share::{
    Server, Share, assert_nobody_mounts, is_given_up_when_its_server_is_silent, keeps_a_volume,
    loses_nothing_when_its_server_goes,
};

const CLIENT: &str = "nfsv4";
const WRITABLE: &str = "rw,no_root_squash";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an NFS server and client in the kernel: make test-kernel"]
async fn a_volume_is_backed_up_and_comes_back() {
    let client = Driver::load(CLIENT);
    let _address = ServerAddress::new().await;
    let server = NfsServer::start().await;
    let share = server.share("backups", WRITABLE).await;
    keeps_a_volume(&share).await;
    let mount = share.mount().unwrap();
    println!("{mount}");
    for option in [" nfs4 ", "vers=4.2", "soft", "timeo=300", "acregmin=1"] {
        assert!(mount.contains(option), "no {option} in: {mount}");
    }
    share.forget().await;
    client.unload().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an NFS server and client in the kernel: make test-kernel"]
async fn what_is_wrong_with_a_target_is_said() {
    let client = Driver::load(CLIENT);
    let _address = ServerAddress::new().await;
    let mut server = NfsServer::start().await;
    let share = server.share("backups", WRITABLE).await;

    let beside = |name: &str| {
        let directory = share.directory.with_file_name(name);
        Share { url: nfs_server::url(&directory), credentials: Vec::new(), directory }
    };
    beside("nowhere").is_refused(ErrorKind::NoBucket, "create that directory and export it").await;
    server.directory("secret");
    beside("secret").is_refused(ErrorKind::NoBucket, "create that directory and export it").await;
    let others = server.share_with("192.0.2.1", "of-others", WRITABLE).await;
    others.is_refused(ErrorKind::NoBucket, "create that directory and export it").await;
    let read_only = server.share("read-only", "ro").await;
    read_only.is_refused(ErrorKind::Denied, "for writing").await;
    let nobody = server.share("squashed", "rw,root_squash").await;
    nobody.is_refused(ErrorKind::Denied, "no_root_squash").await;
    let small = server.small_share("small", WRITABLE).await;
    small.test().await.unwrap();
    let store = Store::open(&small.target()).await.unwrap();
    let error = store.write("backupstore/large", Bytes::from(vec![7; 2 * MIB as usize])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    let left = store.list("backupstore").await.unwrap().files;
    assert!(left.is_empty(), "a part is there: {left:?}");
    drop(store);
    for share in [read_only, nobody, small] {
        share.forget().await;
    }

    server.stop().await;
    share.is_refused(ErrorKind::Timeout, "does not answer").await;
    assert_nobody_mounts().await;
    server.start().await;
    share.test().await.unwrap();
    share.forget().await;
    client.unload().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an NFS server and client in the kernel: make test-kernel"]
async fn a_server_that_goes_in_the_middle_loses_nothing() {
    let client = Driver::load(CLIENT);
    let _address = ServerAddress::new().await;
    let mut server = NfsServer::start().await;
    let share = server.share("backups", WRITABLE).await;
    loses_nothing_when_its_server_goes(&share, &mut server).await;
    share.forget().await;
    client.unload().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an NFS server and client in the kernel: make test-kernel"]
async fn a_silent_server_is_given_up_in_time() {
    let client = Driver::load(CLIENT);
    let mut address = ServerAddress::new().await;
    let server = NfsServer::start().await;
    let share = server.share("backups", WRITABLE).await;
    is_given_up_when_its_server_is_silent(&share, &mut address).await;
    share.forget().await;
    client.unload().await;
}
