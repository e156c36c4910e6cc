//! The hops of a volume and nothing else: what no implementation with these hops exceeds on the machine at hand.
//!
//! ```text
//!   client ── NBD over TCP ──► forwarder ── TCP ──► 1 or 3 disks, each with an image: O_DIRECT, io_uring
//! ```
//! As many processes and connections as a volume has. None of it knows checksums, maps, order, membership or bounds, and
//! none survives an error. As long as requests come one at a time, each process waits for the next one with the very call
//! that receives it, and for the disk with the one that reads or writes. Afterwards it is one task that takes whatever has
//! come with one system call for a connection, and sends whatever there is to send with another.

mod alone;
mod disk;
mod forwarder;
mod message;
mod nbd;
mod pipe;

use crate::fio::Place;
use crate::server::{Server, free_address};
use crate::settings::Settings;
use crate::target::images::Images;
use crate::target::{Kind, Running, Target};
use crate::workplace::Workplace;

pub(crate) use disk::serve as serve_disk;
pub(crate) use forwarder::serve as serve_forwarder;

pub(crate) const BARE_1: &str = "bare-1";
pub(crate) const BARE_3: &str = "bare-3";

pub(super) async fn start(settings: &Settings, workplace: &Workplace, images: &Images, running: &mut Running) {
    for (name, copies) in [(BARE_1, 1), (BARE_3, 3)] {
        if !settings.wants(name) {
            continue;
        }
        let own = std::env::current_exe().unwrap();
        let mut disks = Vec::new();
        let mut servers = Vec::new();
        for number in 0..copies {
            let (address, image) = (free_address(), images.full(&format!("{name}-{number}")).await);
            let arguments = ["bare-disk".to_owned(), address.to_string(), image.display().to_string()];
            let log = workplace.directory("logs").join(format!("{name}-{number}"));
            let mut server = Server::start("replica", log, &own, arguments);
            server.listening(address).await;
            disks.push(address.to_string());
            servers.push(server);
        }
        let address = free_address();
        let arguments = ["bare-forwarder".to_owned(), address.to_string(), settings.size().to_string()];
        let log = workplace.directory("logs").join(name);
        let mut server = Server::start("engine", log, &own, arguments.into_iter().chain(disks));
        server.listening(address).await;
        servers.push(server);
        let counted = servers.iter().map(Server::counted).collect();
        let place = Place::Nbd(format!("nbd://{address}/{name}"));
        running.targets.push(Target { name, kind: Kind::BareHops, place, size: settings.size(), servers: counted });
        running.servers.extend(servers);
    }
}
