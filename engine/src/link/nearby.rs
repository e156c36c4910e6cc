//! Replicas on the engine's own machine: they listen on a unix socket too, which costs no TLS.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::address::Address;

/// Where this process and the replicas beside it are.
struct Place {
    /// As it stands in addresses, without the port.
    host: String,
    run_directory: PathBuf,
}

static PLACE: OnceLock<Place> = OnceLock::new();

/// Says where this process is: what listens on the same host has its socket in the run directory.
pub fn set(own: &Address, run_directory: PathBuf) {
    if let Some(host) = host(own) {
        let _ = PLACE.set(Place { host: host.to_owned(), run_directory });
    }
}

/// The socket of a process beside that of the place.
#[must_use]
pub fn socket(run_directory: &std::path::Path, name: &str) -> PathBuf {
    run_directory.join(format!("{name}.sock"))
}

/// The way to a replica: its socket, if it is there.
pub(super) fn way(replica: &str, address: &Address) -> Address {
    PLACE.get().and_then(|place| place.way(replica, address)).unwrap_or_else(|| address.clone())
}

impl Place {
    fn way(&self, replica: &str, address: &Address) -> Option<Address> {
        let path = socket(&self.run_directory, replica);
        (host(address)? == self.host && path.exists()).then_some(Address::Unix(path))
    }
}

fn host(address: &Address) -> Option<&str> {
    match address {
        Address::Tls(address) => address.rsplit_once(':').map(|(host, _)| host),
        Address::Unix(_) | Address::Tcp(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_beside_is_reached_by_socket() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place { host: "10.0.0.1".to_owned(), run_directory: directory.path().to_owned() };
        let beside: Address = "tls:10.0.0.1:10001".parse().unwrap();
        assert_eq!(place.way("r", &beside), None, "it has no socket");
        let path = socket(directory.path(), "r");
        std::fs::write(&path, "").unwrap();
        assert_eq!(place.way("r", &beside), Some(Address::Unix(path)));
        for elsewhere in ["tls:10.0.0.2:10001", "tcp:10.0.0.1:10001", "unix:/r.sock"] {
            assert_eq!(place.way("r", &elsewhere.parse().unwrap()), None, "{elsewhere}");
        }
    }
}
