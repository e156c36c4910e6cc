//! A frontend of the engine over a device that holds nothing and answers at once.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::fuse_loop::{FuseLoopConfig, FuseLoopFrontend};
use aurochs_engine::frontend::iscsi::{self, IscsiConfig, IscsiFrontend};
use aurochs_engine::frontend::nbd::{NbdConfig, NbdFrontend, Tls};
use aurochs_engine::frontend::{BlockDevice, Durability, Frontend, IoError};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) const EXPORT: &str = "null";

struct NullDevice {
    size: u64,
}

impl BlockDevice for NullDevice {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, _: u64, length: u32) -> Result<AlignedBuf, IoError> {
        Ok(AlignedBuf::zeroed(length as usize))
    }

    async fn write(&self, _: u64, _: AlignedBuf, _: Durability) -> Result<(), IoError> {
        Ok(())
    }

    async fn flush(&self) -> Result<(), IoError> {
        Ok(())
    }

    async fn discard(&self, _: u64, _: u64) -> Result<(), IoError> {
        Ok(())
    }

    async fn write_zeroes(&self, _: u64, _: u64, _: bool, _: Durability) -> Result<(), IoError> {
        Ok(())
    }
}

/// Serves it over NBD until it is killed.
pub(crate) fn serve(listen: SocketAddr, size: u64) {
    engine_runtime().block_on(async {
        let config = NbdConfig { export: EXPORT.to_owned(), unix_socket: None, tcp: Some(listen), tls: Tls::Off };
        let _serving = NbdFrontend::start(Arc::new(NullDevice { size }), config).await.unwrap();
        std::future::pending::<()>().await;
    });
}

/// Serves it over iSCSI until it is killed.
pub(crate) fn serve_over_iscsi(listen: SocketAddr, size: u64) {
    engine_runtime().block_on(async {
        let config = IscsiConfig { volume: EXPORT.to_owned(), listen: vec![listen], chap: None };
        let _serving = IscsiFrontend::start(Arc::new(NullDevice { size }), config).await.unwrap();
        std::future::pending::<()>().await;
    });
}

/// Where an initiator finds what [`serve_over_iscsi`] serves.
pub(crate) fn iscsi_url(address: SocketAddr) -> String {
    format!("iscsi://{address}/{}/1", iscsi::target_name(EXPORT))
}

/// Serves it as a block device in `directory` until it is asked to end.
pub(crate) fn serve_as_block_device(directory: &Path, size: u64) {
    engine_runtime().block_on(async {
        let (runtime_dir, device_dir) = (directory.join("fuse"), directory.to_owned());
        let config = FuseLoopConfig { volume: EXPORT.to_owned(), runtime_dir, device_dir };
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let serving = FuseLoopFrontend::start(Arc::new(NullDevice { size }), config).await.unwrap();
        terminate.recv().await;
        serving.stop(true).await.unwrap();
    });
}

/// One thread, as the engine's program has it.
pub(crate) fn engine_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
