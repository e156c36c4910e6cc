//! Where the data of a restore goes.

use bytes::Bytes;
use futures::future::BoxFuture;

/// What a sink says when it cannot do something.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// A volume that is being restored. Nobody else writes to it meanwhile. Offsets and lengths are multiples of 4096 and
/// within the size that the backup volume's record tells; several calls run at the same time, on different ranges.
pub trait BlockSink: Send + Sync {
    /// What is there now, to see whether it is right already.
    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, SinkError>>;

    /// Writes data. Durable after the next [`BlockSink::flush`].
    fn write(&self, offset: u64, data: Bytes) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Makes a range zeros that hide whatever older layers hold there. (Longhorn reserves storage for them; a volume
    /// with a backing image reads as zeros there too, not as the image.)
    fn zero(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Everything written is durable when it returns.
    fn flush(&self) -> BoxFuture<'_, Result<(), SinkError>>;
}
