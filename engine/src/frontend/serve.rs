//! The frontends of one volume together: what an engine process starts, holds and stops.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use super::block::{BlockFrontend, BlockPlaces};
use super::choice::{self, Choice, FrontendOffer};
use super::inherited;
use super::iscsi::{Chap, IscsiConfig, IscsiFrontend};
use super::nbd::{NbdConfig, NbdFrontend, Tls};
use super::tenure::Tenure;
use super::{BlockDevice, Frontend, FrontendError, FrontendKind, Resizer, StopRefused};

/// What the volume is attached for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offering {
    /// A block device on this node, and the NBD server on its unix socket. Where no block device is possible,
    /// the NBD server alone, with the reason.
    BlockDevice,
    /// The NBD server alone.
    Nbd,
    /// The iSCSI target, and the NBD server on its unix socket.
    Iscsi,
    /// Nobody may use the volume (revert, maintenance).
    Nothing,
}

/// Names and places. Paths that are not needed for the offering are not touched.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    pub volume: String,
    pub offering: Offering,
    /// Directory of this volume alone: the NBD socket and the FUSE mount go there. Made where missing.
    pub runtime_dir: PathBuf,
    /// Directory of the device node, `/dev/longhorn` in production.
    pub device_dir: PathBuf,
    /// Unix socket of the NBD server; none: in the directory of the volume.
    pub nbd_socket: Option<PathBuf>,
    /// TCP address of the NBD server; none: the unix socket only.
    pub nbd_tcp: Option<SocketAddr>,
    /// TLS of the NBD server.
    pub nbd_tls: Tls,
    /// Portals of the iSCSI target; none: there is no target, or, where one is what is offered, one on a free port of
    /// the loopback address.
    pub iscsi_portals: Vec<SocketAddr>,
    /// Who may log in to the target; none: anybody who reaches a portal.
    pub iscsi_chap: Option<Chap>,
    /// Of the engine. It tells whether a block device that a killed engine left here may go on.
    pub tenure: Tenure,
}

/// The portal of a target that nobody has said an address for: it is reached from this machine alone.
const LOCAL_PORTAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The running frontends of a volume.
#[derive(Debug)]
pub struct Serving {
    block: Option<BlockFrontend>,
    nbd: Option<NbdFrontend>,
    iscsi: Option<IscsiFrontend>,
    /// The one that users are told of.
    kind: Option<FrontendKind>,
    reason: String,
    tenure: Tenure,
}

/// Starts what `config` asks for.
///
/// # Errors
/// When a chosen frontend does not start; nothing is left running then.
pub async fn serve<D: BlockDevice>(device: Arc<D>, config: ServeConfig) -> Result<Serving, FrontendError> {
    let reason = "attached without a frontend, as asked".into();
    let tenure = config.tenure.clone();
    let mut serving = Serving { block: None, nbd: None, iscsi: None, kind: None, reason, tenure };
    let mut places = BlockPlaces {
        volume: config.volume.clone(),
        runtime_dir: config.runtime_dir.clone(),
        device_dir: config.device_dir.clone(),
        tenure: config.tenure.clone(),
    };
    let choice = inherited::settle(wanted(config.offering, &choice::offers()), &mut places).await?;
    if config.offering == Offering::Nothing {
        return Ok(serving);
    }
    (serving.kind, serving.reason) = (Some(choice.kind), choice.reason);
    // On failure what runs already is dropped, and ends with that.
    serving.nbd = Some(start_nbd(Arc::clone(&device), &config).await?);
    serving.iscsi = start_iscsi(Arc::clone(&device), &config).await?;
    if choice.kind.gives_block_device() {
        serving.block = Some(BlockFrontend::start(choice.kind, device, places).await?);
    }
    Ok(serving)
}

fn wanted(offering: Offering, offers: &[FrontendOffer]) -> Choice {
    let nbd_alone = |reason: &str| Choice { kind: FrontendKind::Nbd, reason: reason.into() };
    match offering {
        Offering::BlockDevice => {
            choice::choose(offers).unwrap_or_else(|| nbd_alone("nbd: the one frontend that needs nothing of the node"))
        }
        Offering::Nbd => nbd_alone("nbd: asked for"),
        Offering::Iscsi => Choice { kind: FrontendKind::Iscsi, reason: "iscsi: asked for".into() },
        Offering::Nothing => nbd_alone("no frontend: asked for"),
    }
}

async fn start_nbd<D: BlockDevice>(device: Arc<D>, config: &ServeConfig) -> Result<NbdFrontend, FrontendError> {
    let socket = config.nbd_socket.clone().unwrap_or_else(|| config.runtime_dir.join("nbd.sock"));
    std::fs::create_dir_all(&config.runtime_dir)
        .map_err(|source| super::nbd::NbdError::Bind { address: socket.display().to_string(), source })?;
    let places = NbdConfig {
        export: config.volume.clone(),
        unix_socket: Some(socket),
        tcp: config.nbd_tcp,
        tls: config.nbd_tls.clone(),
    };
    Ok(NbdFrontend::start(device, places).await?)
}

async fn start_iscsi<D: BlockDevice>(
    device: Arc<D>,
    config: &ServeConfig,
) -> Result<Option<IscsiFrontend>, FrontendError> {
    let mut listen = config.iscsi_portals.clone();
    if listen.is_empty() {
        if config.offering != Offering::Iscsi {
            return Ok(None);
        }
        listen.push(LOCAL_PORTAL);
    }
    let places = IscsiConfig { volume: config.volume.clone(), listen, chap: config.iscsi_chap.clone() };
    Ok(Some(IscsiFrontend::start(device, places).await?))
}

impl Serving {
    /// Where users of the offered kind find the volume: the block device, the iSCSI or the NBD URI; or nothing.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let iscsi = self.iscsi.as_ref().filter(|_| self.kind == Some(FrontendKind::Iscsi));
        match (&self.block, iscsi, &self.nbd) {
            (Some(block), _, _) => block.endpoint(),
            (None, Some(iscsi), _) => iscsi.endpoint(),
            (None, None, Some(nbd)) => nbd.endpoint(),
            (None, None, None) => String::new(),
        }
    }

    /// URI of the iSCSI target, where one runs.
    #[must_use]
    pub fn iscsi_uri(&self) -> Option<String> {
        self.iscsi.as_ref().map(IscsiFrontend::uri)
    }

    /// URI of the NBD server, where one runs.
    #[must_use]
    pub fn nbd_uri(&self) -> Option<String> {
        self.nbd.as_ref().map(NbdFrontend::uri)
    }

    /// URI of the NBD server's TCP address, where it has one.
    #[must_use]
    pub fn nbd_tcp_uri(&self) -> Option<String> {
        self.nbd.as_ref().and_then(NbdFrontend::tcp_uri)
    }

    /// The kind behind [`Serving::endpoint`].
    #[must_use]
    pub fn kind(&self) -> Option<FrontendKind> {
        self.kind
    }

    /// What tells all users that the volume has grown.
    #[must_use]
    pub fn resizer(&self) -> Resizer {
        let of_block = self.block.as_ref().map(Frontend::resizer).unwrap_or_default();
        of_block.and(self.iscsi.as_ref().map(Frontend::resizer).unwrap_or_default())
    }

    /// Why it is served like this.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Stops everything, the block device first: if that is in use, all goes on as before.
    ///
    /// # Errors
    /// As [`Frontend::stop`]; the frontends are handed back.
    pub async fn stop(mut self, force: bool) -> Result<(), StopRefused<Self>> {
        if let Some(block) = self.block.take() {
            if let Err(StopRefused { frontend, error }) = block.stop(force).await {
                self.block = Some(*frontend);
                return Err(StopRefused { frontend: Box::new(self), error });
            }
            self.tenure.end();
        }
        if let Some(iscsi) = self.iscsi.take()
            && let Err(StopRefused { frontend, error }) = iscsi.stop(force).await
        {
            self.iscsi = Some(*frontend);
            return Err(StopRefused { frontend: Box::new(self), error });
        }
        if let Some(nbd) = self.nbd.take()
            && let Err(StopRefused { frontend, error }) = nbd.stop(force).await
        {
            self.nbd = Some(*frontend);
            return Err(StopRefused { frontend: Box::new(self), error });
        }
        Ok(())
    }
}
