//! Where initiators come from.

use std::io;
use std::sync::Arc;

use futures::future::select_all;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::connection::{self, ConnectionError};
use super::target::Target;
use crate::frontend::BlockDevice;
use crate::frontend::server::Clients;

/// The portals of a target.
pub(super) struct Portals<D: BlockDevice> {
    pub(super) target: Arc<Target<D>>,
    pub(super) listeners: Vec<TcpListener>,
}

impl<D: BlockDevice> Clients for Portals<D> {
    type Stream = TcpStream;
    type Error = ConnectionError;
    /// Over all sessions, which have up to four each.
    const MOST: usize = 64;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (accepted, _, _) = select_all(self.listeners.iter().map(|portal| Box::pin(portal.accept()))).await;
        accepted.map(|(stream, _)| stream)
    }

    fn serve(
        &self,
        stream: TcpStream,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = Result<(), ConnectionError>> + Send + use<D> + 'static {
        connection::serve(Arc::clone(&self.target), stream, stop)
    }
}
