//! An iSCSI target (RFC 7143) for one volume.
//!
//! The way of a command: [`listener`] accepts → [`login`] finds out who it is → [`target`] finds or makes the
//! [`session`] → [`receiver`] reads PDUs off the [`wire`], [`command_intake`] collects a write's data ([`transfer`]) →
//! [`executor`] has the SCSI device server carry it out → [`sender`] numbers and sends the answers.
//!
//! The target's name is `iqn.2019-10.io.longhorn:<volume>` and the disk is LUN 1, as with Longhorn, so that what was
//! logged in to one finds the other under the same name. Recovery level 0: after a lost connection the initiator logs in
//! again and repeats what was not answered.
//!
//! A volume that grows: every session gets a unit attention with its next command, and an asynchronous event at once.
//!
//! Invariants: a write's answer is sent after the device acknowledged it; a command begins in the order of CmdSN; a
//! command that the device has got is never abandoned, and an abort is answered only when it has ended; nothing that an
//! initiator sends makes the target panic or hold more memory than [`in_flight`](super::in_flight), [`request_data`], the
//! window of [`command_window`] and the limits on connections and sessions allow; secrets are in no message.

mod absent_unit;
mod answer;
mod chap;
mod command;
mod command_intake;
mod command_window;
mod connection;
mod credentials;
mod digest;
mod discovery;
mod executor;
mod held;
mod listener;
mod liveness;
mod login;
mod parameters;
mod pdu;
mod receiver;
mod request_data;
mod residual;
mod sender;
mod session;
mod target;
mod task_management;
mod text;
mod transfer;
mod wire;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

pub use self::chap::ChapAccount;
pub use self::credentials::CredentialsError;
pub use self::login::security::Chap;

use self::listener::Portals;
use self::login::Identification;
use self::target::Target;
use super::scsi::{Identity, LogicalUnit};
use super::server::Server;
use super::{BlockDevice, Frontend, FrontendKind, Resizer, StopRefused};

/// What Longhorn's targets are called, before the name of the volume.
const NAME_PREFIX: &str = "iqn.2019-10.io.longhorn:";
/// All portals of a volume are one group: a session may have connections on each of them.
const PORTAL_GROUP_TAG: u16 = 1;
/// The number that endpoints show.
const LUN_NUMBER: u8 = 1;

/// Where and for whom to serve.
#[derive(Clone, Debug)]
pub struct IscsiConfig {
    pub volume: String,
    /// Portals; port 0 takes a free one. There is no encryption: keep them to trusted networks.
    pub listen: Vec<SocketAddr>,
    /// Who may log in; none: anybody who reaches a portal.
    pub chap: Option<Chap>,
}

/// Why an iSCSI target could not be started.
#[derive(Debug, thiserror::Error)]
pub enum IscsiError {
    #[error("the iSCSI target of {volume} has no address: give one to listen on")]
    NoAddress { volume: String },
    #[error("the iSCSI target can't listen on {address}: {source}; choose another address or free this one")]
    Bind { address: SocketAddr, source: io::Error },
}

/// A running iSCSI target.
#[derive(Debug)]
pub struct IscsiFrontend {
    name: String,
    portals: Vec<SocketAddr>,
    growth: TargetGrowth,
    server: Server,
}

/// The name of a volume's target.
#[must_use]
pub fn target_name(volume: &str) -> String {
    // As Longhorn does: an underscore may not be in an iSCSI name.
    format!("{NAME_PREFIX}{}", volume.replace('_', ":"))
}

impl IscsiFrontend {
    /// Starts to serve `device`; initiators can log in when this returns.
    ///
    /// # Errors
    /// When no address is given or one can't be listened on. Nothing is left behind then.
    pub async fn start<D: BlockDevice>(device: Arc<D>, config: IscsiConfig) -> Result<Self, IscsiError> {
        let IscsiConfig { volume, listen, chap } = config;
        if listen.is_empty() {
            return Err(IscsiError::NoAddress { volume });
        }
        let (mut listeners, mut portals) = (Vec::new(), Vec::new());
        for address in listen {
            let failed = |source| IscsiError::Bind { address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            portals.push(listener.local_addr().map_err(failed)?);
            listeners.push(listener);
        }
        let name = target_name(&volume);
        let unit = Arc::new(LogicalUnit::new(device, Identity::new(&volume, &name, PORTAL_GROUP_TAG)));
        let who = Identification { target_name: name.clone(), alias: volume, portal_group_tag: PORTAL_GROUP_TAG, chap };
        let target = Arc::new(Target::new(who, unit));
        let clients = Portals { target: Arc::clone(&target), listeners };
        let server = Server::start(format!("iSCSI target {name}"), clients);
        let growth = TargetGrowth(Arc::new(move || target.size_changed()));
        Ok(Self { name, portals, growth, server })
    }

    /// The addresses that are listened on, with their real ports.
    #[must_use]
    pub fn portals(&self) -> &[SocketAddr] {
        &self.portals
    }

    /// `iscsi://<host>:<port>/<name>/<lun>` of the first portal.
    #[must_use]
    pub fn uri(&self) -> String {
        self.portals.first().map(|portal| format!("iscsi://{portal}/{}/{LUN_NUMBER}", self.name)).unwrap_or_default()
    }
}

impl Frontend for IscsiFrontend {
    fn kind(&self) -> FrontendKind {
        FrontendKind::Iscsi
    }

    fn endpoint(&self) -> String {
        self.uri()
    }

    fn resizer(&self) -> Resizer {
        Resizer::of_target(self.growth.clone())
    }

    /// Never refused: initiators get the answers of what is in flight and BUSY for anything new, and are told that the
    /// target leaves. With `force` they are cut off at once; what was in flight is then not acknowledged.
    async fn stop(self, force: bool) -> Result<(), StopRefused<Self>> {
        self.server.end(force).await;
        Ok(())
    }
}

/// Tells the initiators of a target that its disk has grown.
#[derive(Clone)]
pub(super) struct TargetGrowth(Arc<dyn Fn() + Send + Sync>);

impl TargetGrowth {
    pub(super) fn announce(&self) {
        (self.0)();
    }
}

impl fmt::Debug for TargetGrowth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TargetGrowth")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_longhorns() {
        assert_eq!(target_name("pvc-1f2e"), "iqn.2019-10.io.longhorn:pvc-1f2e");
        assert_eq!(target_name("a_b"), "iqn.2019-10.io.longhorn:a:b");
    }
}
