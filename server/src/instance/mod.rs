//! The processes outside: instance managers and engines, as the manager talks to them.
//!
//! [`Clients`] makes calls, [`record`] changes control records, [`Instances`] keeps what the instance managers last
//! told, [`watcher`] keeps that fresh. In a cluster [`directory`] brings and takes away what nodes there are.

pub mod directory;
mod observed;
pub mod record;
pub mod watcher;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aurochs_engine::grpc::connect;
use aurochs_engine::grpc::engine_v1::engine_client::EngineClient;
use aurochs_engine::grpc::instance_v1::EngineSpec;
use aurochs_engine::grpc::instance_v1::instance_manager_client::InstanceManagerClient;
use aurochs_engine::link::Address;
use aurochs_engine::link::address::AddressError;
use aurochs_engine::link::tls::Identity;
use tonic::transport::Channel;

pub use observed::{Answering, InstanceChange, Instances, Seen, state_of};

/// Calls that only look: a healthy process answers in milliseconds.
pub const LOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls that start a process or change a membership: they wait for disks.
pub const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a call to a process failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("there is no node named {0:?}; list /v1/nodes for the names")]
    UnknownNode(String),
    #[error("the address {address:?} can't be used: {reason}")]
    Address { address: String, reason: String },
    #[error("{doing} failed: {}", .status.message())]
    Rpc { doing: String, status: tonic::Status },
    #[error("no instance manager answers, so the control record of {volume} can't be {doing}")]
    NoKeeper { volume: String, doing: &'static str },
}

impl ClientError {
    /// Whether nobody answered at all, as opposed to an answer that says no.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Rpc { status, .. } => {
                matches!(
                    status.code(),
                    tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled
                )
            }
            Self::NoKeeper { .. } => true,
            Self::UnknownNode(_) | Self::Address { .. } => false,
        }
    }
}

/// Makes the error of a failed call; `doing` reads like "starting replica v-r-1 on node-1".
pub fn rpc(doing: impl Into<String>) -> impl FnOnce(tonic::Status) -> ClientError {
    let doing = doing.into();
    move |status| ClientError::Rpc { doing, status }
}

/// A request with a deadline.
pub fn within<T>(timeout: Duration, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(timeout);
    request
}

/// Connections to all instance managers and engines; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clients {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Node name to address of its instance manager.
    managers: Mutex<BTreeMap<String, String>>,
    /// Nodes of this machine: what any instance manager can answer is asked of theirs first.
    own: Vec<String>,
    /// By address. A channel connects at its first use and again after a break.
    channels: Mutex<HashMap<String, Channel>>,
    network: Network,
    /// Who this manager is to processes on other machines.
    member: Option<Arc<Identity>>,
}

/// How engines serve clients on other machines. Paths are the same on every node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Where NBD is offered over TCP; empty for unix sockets only.
    pub nbd_tcp_listen: String,
    /// TLS of NBD over TCP; off where there are no files.
    pub nbd_tls: NbdTls,
    /// Where volumes with the frontend `iscsi` have their targets; none for the loopback address alone.
    pub iscsi_listen: Vec<String>,
    /// File with the accounts that iSCSI initiators log in with; empty lets anybody.
    pub iscsi_chap_file: String,
}

/// TLS of the NBD servers: `off`, `allow` or `require`, and paths of PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NbdTls {
    pub mode: String,
    pub certificate: String,
    pub key: String,
    pub client_ca: String,
}

impl Clients {
    /// `managers`: node name to `unix:/path` or `tls:host:port`.
    #[must_use]
    pub fn new(managers: BTreeMap<String, String>, network: Network) -> Self {
        let own = managers.keys().cloned().collect();
        Self::over(managers, own, network, None)
    }

    /// Of a cluster: the nodes come and go ([`directory`]). `own` are those of this machine, and `member` is who this manager is to
    /// processes on other ones.
    #[must_use]
    pub fn in_a_cluster(own: Vec<String>, network: Network, member: Arc<Identity>) -> Self {
        Self::over(BTreeMap::new(), own, network, Some(member))
    }

    fn over(
        managers: BTreeMap<String, String>,
        own: Vec<String>,
        network: Network,
        member: Option<Arc<Identity>>,
    ) -> Self {
        let (managers, channels) = (Mutex::new(managers), Mutex::default());
        Self { inner: Arc::new(Inner { managers, own, channels, network, member }) }
    }

    /// Names of the nodes.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        lock(&self.inner.managers).keys().cloned().collect()
    }

    /// Names of the nodes, those of this machine first.
    #[must_use]
    pub fn nearest(&self) -> Vec<String> {
        let mut nodes = self.nodes();
        nodes.sort_by_key(|node| !self.is_own(node));
        nodes
    }

    /// Whether the node is on this machine.
    #[must_use]
    pub fn is_own(&self, node: &str) -> bool {
        self.inner.own.iter().any(|own| own == node)
    }

    /// A node is there, or its instance manager is somewhere else now. Connections to where it was are dropped.
    pub fn bring(&self, node: &str, address: &str) {
        let before = lock(&self.inner.managers).insert(node.to_owned(), address.to_owned());
        if let Some(before) = before.filter(|before| before != address) {
            lock(&self.inner.channels).remove(&before);
        }
    }

    /// A node is there no more.
    pub fn take_away(&self, node: &str) {
        if let Some(address) = lock(&self.inner.managers).remove(node) {
            lock(&self.inner.channels).remove(&address);
        }
    }

    /// The part of an engine's arguments that says how it is reached over the network.
    #[must_use]
    pub fn network(&self) -> EngineSpec {
        let Network { nbd_tcp_listen, nbd_tls, iscsi_listen, iscsi_chap_file } = self.inner.network.clone();
        EngineSpec {
            nbd_tcp_listen,
            nbd_tls: nbd_tls.mode,
            nbd_tls_certificate: nbd_tls.certificate,
            nbd_tls_key: nbd_tls.key,
            nbd_tls_client_ca: nbd_tls.client_ca,
            iscsi_listen,
            iscsi_chap_file,
            ..EngineSpec::default()
        }
    }

    /// Address of a node's instance manager, for another one that is to speak to it.
    pub fn address(&self, node: &str) -> Result<String, ClientError> {
        let address = lock(&self.inner.managers).get(node).cloned();
        address.ok_or_else(|| ClientError::UnknownNode(node.to_owned()))
    }

    /// The instance manager of a node.
    pub fn manager(&self, node: &str) -> Result<InstanceManagerClient<Channel>, ClientError> {
        Ok(connect::instance_manager(self.channel(&self.address(node)?)?))
    }

    /// An engine by the address in its status.
    pub fn engine(&self, address: &str) -> Result<EngineClient<Channel>, ClientError> {
        Ok(connect::engine(self.channel(address)?))
    }

    /// Drops the connection to an engine that is gone. Whoever speaks to it still has it until then; one that comes at the
    /// same address gets a new one.
    pub fn forget_engine(&self, address: &str) {
        lock(&self.inner.channels).remove(address);
    }

    fn channel(&self, address: &str) -> Result<Channel, ClientError> {
        let mut channels = lock(&self.inner.channels);
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        let reason =
            |error: AddressError| ClientError::Address { address: address.to_owned(), reason: error.to_string() };
        let to = address.parse::<Address>().map_err(reason)?;
        let channel = connect::channel_as(&to, self.inner.member.clone());
        channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every attachment starts an engine with an address of its own: kept, their connections would be more each day.
    #[tokio::test]
    async fn connections_to_engines_that_are_gone_are_not_kept() {
        let clients = Clients::new(BTreeMap::from([("n".to_owned(), "unix:/im".to_owned())]), Network::default());
        clients.manager("n").unwrap();
        for number in 0..100 {
            let address = format!("unix:/engine-{number}");
            clients.engine(&address).unwrap();
            clients.forget_engine(&address);
        }
        assert_eq!(clients.inner.channels.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn nodes_come_move_and_go() {
        let clients = Clients::new(BTreeMap::from([("n".to_owned(), "unix:/im".to_owned())]), Network::default());
        assert!(matches!(clients.manager("a"), Err(ClientError::UnknownNode(_))));
        clients.bring("a", "unix:/a");
        assert_eq!((clients.nodes(), clients.nearest()), (vec!["a".into(), "n".into()], vec!["n".into(), "a".into()]));
        clients.manager("a").unwrap();
        clients.bring("a", "unix:/b");
        clients.manager("a").unwrap();
        assert_eq!(clients.address("a").unwrap(), "unix:/b");
        assert_eq!(clients.inner.channels.lock().unwrap().len(), 1, "nobody speaks to where it was");
        clients.take_away("a");
        assert_eq!(clients.nodes(), ["n"]);
        assert!(clients.inner.channels.lock().unwrap().is_empty());
    }
}
