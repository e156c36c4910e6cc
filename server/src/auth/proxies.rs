//! Proxies in front of the manager: who they are is said by whoever starts it, since anybody can claim to be one.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// A proxy's address, or the network that proxies are in (`10.0.0.7`, `10.0.0.0/24`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxy(IpNet);

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        network.or_else(|_| text.parse::<IpNet>()).map(Self).map_err(|_| {
            format!("{text:?} is no address of a proxy; give one such as 10.0.0.7, or a network such as 10.0.0.0/24")
        })
    }
}

/// All proxies that are believed: none, unless they are named.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Whether what this peer says of others is believed.
    #[must_use]
    pub fn trust(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }
}

impl FromIterator<Proxy> for Proxies {
    fn from_iter<T: IntoIterator<Item = Proxy>>(proxies: T) -> Self {
        Self(proxies.into_iter().map(|Proxy(network)| network).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks() {
        let proxies: Proxies =
            ["10.0.0.7", "192.168.4.0/24", "2001:db8::/64"].map(|text| text.parse().unwrap()).into_iter().collect();
        for (peer, trusted) in [
            ("10.0.0.7", true),
            ("::ffff:10.0.0.7", true),
            ("10.0.0.8", false),
            ("192.168.4.200", true),
            ("192.168.5.1", false),
            ("2001:db8::5", true),
            ("127.0.0.1", false),
        ] {
            assert_eq!(proxies.trust(peer.parse().unwrap()), trusted, "{peer}");
        }
        for peer in ["127.0.0.1", "::1", "10.0.0.1"] {
            assert!(!Proxies::default().trust(peer.parse().unwrap()), "{peer} was not named");
        }
        for bad in ["", "proxy", "10.0.0.0/33", "10.0.0"] {
            assert!(bad.parse::<Proxy>().unwrap_err().contains("10.0.0.0/24"), "{bad}");
        }
    }
}
