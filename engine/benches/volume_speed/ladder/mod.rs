//! Where the time of a request goes: a volume built up step by step, measured beside everything else.
//!
//! | step | what is there |
//! |---|---|
//! | frontend | the engine's NBD server, iSCSI target, or FUSE and loop device, over a device that answers at once |
//! | + engine and link | a real engine; its replicas are processes that answer every request at once |
//! | + replica | real replicas, on ext4 in memory: a loop device over tmpfs, its threads are the kernel's |
//! | + disk | the volumes of the other tables |
//! | bare hops | the same processes, connections and disks with nothing in between: the ceiling |

pub(crate) mod bare_hops;
pub(crate) mod null_device;
pub(crate) mod null_replica;

use std::path::PathBuf;

use crate::fio::Place;
use crate::server::{Server, free_address, run};
use crate::settings::Settings;
use crate::target::images::Images;
use crate::target::volume::{Offer, Spec, Storage, Volume};
use crate::target::{Kind, Running, Target};
use crate::workplace::Workplace;

pub(crate) const FRONTEND: &str = "step-frontend";
pub(crate) const ISCSI: &str = "step-iscsi";
pub(crate) const FUSE_LOOP: &str = "step-fuse-loop";
pub(crate) const LINK_1: &str = "step-link-1";
pub(crate) const LINK_3: &str = "step-link-3";
pub(crate) const MEMORY_1: &str = "step-memory-1";
pub(crate) const MEMORY_3: &str = "step-memory-3";

/// Four replicas of it have to fit into memory.
const SIZE_MAXIMUM: u64 = 256 << 20;
/// What ext4 and the replicas' other files need beside the images.
const FILE_SYSTEM_BYTES: u64 = 256 << 20;

pub(crate) async fn start(settings: &Settings, workplace: &Workplace, images: &Images, running: &mut Running) {
    let size = settings.size().min(SIZE_MAXIMUM);
    for (name, command) in [(FRONTEND, "null-device"), (ISCSI, "null-iscsi")] {
        if settings.wants(name) {
            start_frontend(workplace, name, command, size, running).await;
        }
    }
    bare_hops::start(settings, workplace, images, running).await;
    if settings.wants(FUSE_LOOP) {
        start_fuse_loop(workplace, size, running).await;
    }
    for (name, copies) in [(LINK_1, 1), (LINK_3, 3)] {
        if settings.wants(name) {
            let spec = Spec { name, size, copies, storage: Storage::Nowhere, offer: Offer::default() };
            push(running, &spec, name, Volume::start(settings, workplace, &spec).await);
        }
    }
    if !settings.wants(MEMORY_1) && !settings.wants(MEMORY_3) {
        return;
    }
    let memory = mount_memory(workplace, 4 * size + FILE_SYSTEM_BYTES).await;
    for (name, copies) in [(MEMORY_1, 1), (MEMORY_3, 3)] {
        if settings.wants(name) {
            let storage = Storage::Below(memory.clone());
            let spec = Spec { name, size, copies, storage, offer: Offer::default() };
            let volume = Volume::start(settings, workplace, &spec).await;
            images.fill_first(&volume.nbd_uri, size).await;
            push(running, &spec, name, volume);
        }
    }
}

/// A server of a network protocol alone.
async fn start_frontend(workplace: &Workplace, name: &'static str, command: &str, size: u64, running: &mut Running) {
    let address = free_address();
    let own = std::env::current_exe().unwrap();
    let arguments = [command.to_owned(), address.to_string(), size.to_string()];
    let mut server = Server::start("engine", workplace.directory("logs").join(name), &own, arguments);
    server.listening(address).await;
    let servers = vec![server.counted()];
    running.servers.push(server);
    let place = match name {
        ISCSI => Place::Iscsi(null_device::iscsi_url(address)),
        _ => Place::Nbd(format!("nbd://{address}/{}", null_device::EXPORT)),
    };
    running.targets.push(Target { name, kind: Kind::Step, place, size, servers });
}

async fn start_fuse_loop(workplace: &Workplace, size: u64, running: &mut Running) {
    let directory = workplace.directory(FUSE_LOOP);
    let device = directory.join(null_device::EXPORT);
    let own = std::env::current_exe().unwrap();
    let arguments = ["null-loop".to_owned(), directory.display().to_string(), size.to_string()];
    let mut server = Server::start("engine", workplace.directory("logs").join(FUSE_LOOP), &own, arguments);
    let node = device.clone();
    server.ready(|| std::future::ready(node.exists())).await;
    let servers = vec![server.counted()];
    running.servers.push(server);
    running.targets.push(Target { name: FUSE_LOOP, kind: Kind::Step, place: Place::File(device), size, servers });
}

fn push(running: &mut Running, spec: &Spec<'_>, name: &'static str, volume: Volume) {
    let (place, servers) = (Place::Nbd(volume.nbd_uri.clone()), volume.counted());
    running.targets.push(Target { name, kind: Kind::Step, place, size: spec.size, servers });
    running.volumes.push(volume);
}

/// ext4 in memory. Replicas do not run on tmpfs itself, which has no maps of extents.
async fn mount_memory(workplace: &Workplace, bytes: u64) -> PathBuf {
    let (below, memory) = (workplace.directory("tmpfs"), workplace.directory("memory"));
    let file = below.join("ext4");
    run("mount", ["-t".as_ref(), "tmpfs".as_ref(), "tmpfs".as_ref(), below.as_os_str()]).await;
    run("truncate", ["--size".as_ref(), bytes.to_string().as_ref(), file.as_os_str()]).await;
    run("mkfs.ext4", ["-q".as_ref(), file.as_os_str()]).await;
    run("mount", ["-o".as_ref(), "loop".as_ref(), file.as_os_str(), memory.as_os_str()]).await;
    memory
}
