//! Connections of a client that negotiates nothing: the kernel's, which is told all by whoever attaches it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::buffered;
use super::handshake::Negotiated;
use super::in_flight::Pool;
use super::protocol::transmission_flag as flag;
use super::transmission;
use crate::frontend::BlockDevice;

/// So long may answers take to be written after the kernel has let go of the connections.
const PATIENCE: Duration = Duration::from_secs(10);

/// Flags of what the kernel's client knows to use.
pub(in crate::frontend) const FLAGS: u16 = flag::HAS_FLAGS
    | flag::SEND_FLUSH
    | flag::SEND_FUA
    | flag::SEND_TRIM
    | flag::SEND_WRITE_ZEROES
    | flag::CAN_MULTI_CONN;

/// The connections of one device. Dropping it cuts them off.
#[derive(Debug)]
pub(in crate::frontend) struct Attached {
    connections: JoinSet<io::Result<()>>,
    /// Never said: the kernel ends its connections itself.
    _stop: watch::Sender<bool>,
}

impl Attached {
    /// Serves requests with simple replies on each of `streams`.
    pub(in crate::frontend) fn start<D: BlockDevice>(device: &Arc<D>, streams: Vec<UnixStream>) -> Self {
        let (stop, stopping) = watch::channel(false);
        let pool = Pool::new();
        let mut connections = JoinSet::new();
        for stream in streams {
            let (reader, writer) = stream.into_split();
            let (reader, writer) = buffered(reader, writer);
            let (device, pool, stop) = (Arc::clone(device), pool.clone(), stopping.clone());
            connections.spawn(transmission::run(device, reader, writer, Negotiated::default(), pool, stop));
        }
        Self { connections, _stop: stop }
    }

    /// Returns when the kernel has let go of all connections and everything in flight has ended.
    pub(in crate::frontend) async fn ended(mut self) {
        let all = async { while self.connections.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("connections of the kernel's NBD client are cut off: it has not let go of them in time");
            self.connections.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::disk::AlignedBuf;
    use crate::frontend::{Durability, IoError};

    struct Sevens;

    impl BlockDevice for Sevens {
        fn size(&self) -> u64 {
            1 << 20
        }

        async fn read(&self, _: u64, length: u32) -> Result<AlignedBuf, IoError> {
            Ok(AlignedBuf::copy_of(&vec![7; length as usize]))
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

    /// As the kernel does it: requests from the first byte on, simple replies, a farewell on each connection.
    #[tokio::test]
    async fn requests_are_served_from_the_first_byte_on() {
        let pairs: Vec<_> = (0..2).map(|_| UnixStream::pair().unwrap()).collect();
        let (mut clients, served): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let attached = Attached::start(&Arc::new(Sevens), served);
        for client in &mut clients {
            let mut request = [0_u8; 28];
            request[..4].copy_from_slice(&0x2560_9513_u32.to_be_bytes());
            request[15] = 5;
            request[27] = 4;
            client.write_all(&request).await.unwrap();
            let mut reply = [0; 20];
            client.read_exact(&mut reply).await.unwrap();
            assert_eq!(reply, [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 7, 7, 7, 7]);
            request[7] = 2;
            client.write_all(&request).await.unwrap();
        }
        attached.ended().await;
        assert_eq!(clients[0].read(&mut [0]).await.unwrap(), 0, "the connection is closed");
    }
}
