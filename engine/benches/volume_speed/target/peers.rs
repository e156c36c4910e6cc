//! Servers of others, set up as their users would for speed.

use std::path::{Path, PathBuf};

use crate::fio::Place;
use crate::server::{Counted, Server, free_address, run};
use crate::settings::Settings;
use crate::workplace::Workplace;

use super::images::Images;
use super::{Kind, NBDFUSE, NBDKIT, QSD, Running, TGT, Target};

pub(super) async fn start(settings: &Settings, workplace: &Workplace, images: &Images, running: &mut Running) {
    let logs = workplace.directory("logs");
    for name in [QSD, NBDKIT, TGT, NBDFUSE] {
        if !settings.wants(name) {
            continue;
        }
        let image = images.full(name).await;
        let log = logs.join(name);
        let before = running.servers.len();
        let (kind, place) = match name {
            QSD => (Kind::Server, qemu_storage_daemon(settings, log, &image, running).await),
            NBDKIT => (Kind::Server, Place::Nbd(nbdkit(log, &image, running).await)),
            TGT => (Kind::Server, tgt(log, &image, running).await),
            _ => (Kind::BlockDevice, nbdfuse_and_loop(workplace, log, &image, running).await),
        };
        let servers: Vec<Counted> = running.servers[before..].iter().map(Server::counted).collect();
        running.targets.push(Target { name, kind, place, size: settings.size(), servers });
    }
}

/// `O_DIRECT`, io_uring.
async fn qemu_storage_daemon(settings: &Settings, log: PathBuf, image: &Path, running: &mut Running) -> Place {
    let address = free_address();
    let arguments = [
        "--blockdev".to_owned(),
        format!("driver=file,node-name=d,filename={},aio=io_uring,cache.direct=on", image.display()),
        "--nbd-server".to_owned(),
        format!("addr.type=inet,addr.host={},addr.port={}", address.ip(), address.port()),
        "--export".to_owned(),
        "type=nbd,id=e,node-name=d,name=d,writable=on".to_owned(),
    ];
    let mut server = Server::start("server", log, &settings.tools.join("qemu-storage-daemon"), arguments);
    server.listening(address).await;
    running.servers.push(server);
    Place::Nbd(format!("nbd://{address}/d"))
}

/// Through the page cache of the server's side: reads come from memory.
async fn nbdkit(log: PathBuf, image: &Path, running: &mut Running) -> String {
    let address = free_address();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let image = image.display().to_string();
    let mut server =
        Server::start("server", log, Path::new("nbdkit"), ["-f", "-i", &host, "-p", &port, "file", &image]);
    server.listening(address).await;
    running.servers.push(server);
    format!("nbd://{address}/")
}

/// Debian's iSCSI target with its store for direct, asynchronous I/O.
async fn tgt(log: PathBuf, image: &Path, running: &mut Running) -> Place {
    const NAME: &str = "iqn.2026-01.io.aurochs:bench";
    let address = free_address();
    let control = format!("TGT_IPC_SOCKET={}", log.with_extension("control").display());
    let portal = format!("portal={address}");
    // It takes no notice of SIGTERM, and holds nothing that would be lost.
    let mut server =
        Server::start("server", log, Path::new("env"), [&control, "tgtd", "-f", "--iscsi", &portal]).killed();
    let admin = |rest: &[&str]| {
        let begin = [&control, "tgtadm", "--lld", "iscsi", "--op"];
        begin.iter().chain(rest).map(|&argument| argument.to_owned()).collect::<Vec<_>>()
    };
    server.listening(address).await;
    let image = image.display().to_string();
    run("env", admin(&["new", "--mode", "target", "--tid", "1", "-T", NAME])).await;
    let unit = ["new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", &image, "--bstype", "aio"];
    run("env", admin(&unit)).await;
    run("env", admin(&["bind", "--mode", "target", "--tid", "1", "-I", "ALL"])).await;
    running.servers.push(server);
    Place::Iscsi(format!("iscsi://{address}/{NAME}/1"))
}

/// What one gets today without a driver for NBD in the kernel.
async fn nbdfuse_and_loop(workplace: &Workplace, log: PathBuf, image: &Path, running: &mut Running) -> Place {
    let uri = nbdkit(log.with_extension("nbdkit"), image, running).await;
    let mount = workplace.directory("nbdfuse");
    let file = mount.join("nbd");
    let mut server = Server::start("nbdfuse", log, Path::new("nbdfuse"), [mount.as_os_str(), uri.as_ref()]);
    server.ready(|| async { file.exists() }).await;
    running.servers.push(server);
    let device =
        run("losetup", ["--find".as_ref(), "--show".as_ref(), "--direct-io=on".as_ref(), file.as_os_str()]).await;
    running.loop_devices.push(device.clone());
    Place::File(device.into())
}
