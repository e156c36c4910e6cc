//! The engine's NBD server over a device that holds nothing and answers at once.

use std::net::SocketAddr;
use std::sync::Arc;

use aurochs_engine::disk::AlignedBuf;
use aurochs_engine::frontend::nbd::{NbdConfig, NbdFrontend};
use aurochs_engine::frontend::{BlockDevice, Durability, IoError};

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

/// Serves until it is killed.
pub(crate) fn serve(listen: SocketAddr, size: u64) {
    engine_runtime().block_on(async {
        let config = NbdConfig { export: EXPORT.to_owned(), unix_socket: None, tcp: Some(listen) };
        let _serving = NbdFrontend::start(Arc::new(NullDevice { size }), config).await.unwrap();
        std::future::pending::<()>().await;
    });
}

/// Threads as the engine's program has them.
pub(super) fn engine_runtime() -> tokio::runtime::Runtime {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread().worker_threads(cores.min(4)).enable_all().build().unwrap()
}
