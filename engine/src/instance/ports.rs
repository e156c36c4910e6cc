//! Ports of the processes that other machines reach.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};

use rand::Rng;

/// As Longhorn's, below those that a kernel gives to clients: rules of firewalls stay as they are.
const RANGE: RangeInclusive<u16> = 10_000..=30_000;

/// Ports of one address of this machine.
#[derive(Debug)]
pub(super) struct Ports {
    ip: IpAddr,
    next: AtomicU16,
}

impl Ports {
    pub(super) fn of(ip: IpAddr) -> Self {
        // Not where the one before began: what is still on its way to a process that has ended must not reach another one.
        Self { ip, next: AtomicU16::new(rand::rng().random_range(RANGE)) }
    }

    /// A port that none of these processes has, and nobody else now. Who is quicker than the process that it is for makes that
    /// one end, and its next start gets another one.
    pub(super) fn free(&self, taken: &BTreeSet<u16>) -> io::Result<SocketAddr> {
        for _ in RANGE {
            let port = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |port| Some(after(port)));
            let port = port.unwrap_or(*RANGE.start());
            let address = SocketAddr::new(self.ip, port);
            if taken.contains(&port) {
                continue;
            }
            match TcpListener::bind(address) {
                Ok(_) => return Ok(address),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        let message = format!("no port of {}, {} to {}, is free", self.ip, RANGE.start(), RANGE.end());
        Err(io::Error::new(io::ErrorKind::AddrInUse, message))
    }
}

fn after(port: u16) -> u16 {
    if port >= *RANGE.end() { *RANGE.start() } else { port + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_given_twice() {
        let ports = Ports::of([127, 0, 0, 1].into());
        let mut taken = BTreeSet::new();
        for _ in 0..20 {
            let port = ports.free(&taken).unwrap().port();
            assert!(RANGE.contains(&port) && taken.insert(port), "{port}");
        }
        ports.next.store(*RANGE.end(), Ordering::Relaxed);
        let held = TcpListener::bind(("127.0.0.1", *RANGE.end()));
        let port = ports.free(&taken).unwrap().port();
        assert!(held.is_err() || port != *RANGE.end(), "somebody else has it");
        assert!(Ports::of([203, 0, 113, 1].into()).free(&taken).is_err(), "an address of another machine");
    }
}
