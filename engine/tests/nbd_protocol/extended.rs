//! Extended headers: lengths of 64 bits.

use std::sync::atomic::Ordering;

use aurochs_engine::frontend::BlockDevice;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::*;

const ERR_EXT_HEADER_REQD: u32 = 0x8000_000a;
const PAYLOAD_LEN: u16 = 32;
const REQ_ONE: u16 = 8;

impl Client {
    async fn extended(&mut self, command: u16, flags: u16, cookie: u64, offset: u64, length: u64) {
        let mut bytes = 0x21e4_1c71u32.to_be_bytes().to_vec();
        bytes.extend_from_slice(&flags.to_be_bytes());
        bytes.extend_from_slice(&command.to_be_bytes());
        [cookie, offset, length].iter().for_each(|word| bytes.extend_from_slice(&word.to_be_bytes()));
        self.0.write_all(&bytes).await.unwrap();
    }

    /// Type, cookie, offset and payload.
    async fn extended_chunk(&mut self) -> (u16, u64, u64, Vec<u8>) {
        assert_eq!(self.0.read_u32().await.unwrap(), 0x6e8a_278c);
        assert_eq!(self.0.read_u16().await.unwrap(), 1, "every reply is one chunk");
        let kind = self.0.read_u16().await.unwrap();
        let (cookie, offset) = (self.0.read_u64().await.unwrap(), self.0.read_u64().await.unwrap());
        let length = self.0.read_u64().await.unwrap();
        (kind, cookie, offset, self.bytes(length as usize).await)
    }

    async fn error(&mut self) -> u32 {
        let (kind, _, _, payload) = self.extended_chunk().await;
        assert_eq!(kind, 0x8001);
        u32::from_be_bytes(payload[..4].try_into().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_goes_in_and_out() {
    let served = Served::start().await;
    let mut client = served.greeted().await;
    client.ask_for_status(11).await;
    client.extended(WRITE, PAYLOAD_LEN, 1, 4096, 8192).await;
    client.0.write_all(&[7; 8192]).await.unwrap();
    assert_eq!(client.extended_chunk().await, (0, 1, 4096, vec![]));
    client.extended(READ, 0, 2, 4000, 200).await;
    let (kind, cookie, offset, payload) = client.extended_chunk().await;
    assert_eq!((kind, cookie, offset), (1, 2, 4000));
    assert_eq!(payload, [&4000_u64.to_be_bytes()[..], &[0; 96], &[7; 104]].concat());
    client.extended(READ, 0, 3, 0, 0).await;
    assert_eq!(client.extended_chunk().await, (0, 3, 0, vec![]));
    client.extended(DISC, 0, 4, 0, 0).await;
    assert!(client.hung_up().await.is_empty());
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_covers_a_volume_of_8_tib() {
    const LARGE: u64 = 8 << 40;
    let served = Served::start().await;
    served.device.grow(LARGE);
    let mut client = served.greeted().await;
    client.ask_for_status(11).await;
    client.extended(ZEROES, 16, 1, 0, LARGE).await;
    assert_eq!(client.extended_chunk().await.0, 0);
    client.extended(TRIM, 0, 2, 0, LARGE).await;
    assert_eq!(client.extended_chunk().await.0, 0);
    let counts = &served.device.counts;
    assert_eq!((counts.zeroes_unmapping.load(Ordering::SeqCst), counts.discards.load(Ordering::SeqCst)), (1, 1));
    client.extended(WRITE, PAYLOAD_LEN, 3, 5 << 40, 4096).await;
    client.0.write_all(&[7; 4096]).await.unwrap();
    client.extended_chunk().await;
    let words = |payload: &[u8]| -> Vec<u64> {
        assert_eq!(payload[..4], [0, 0, 0, 1]);
        let count = u32::from_be_bytes(payload[4..8].try_into().unwrap());
        let words: Vec<_> = payload[8..].chunks(8).map(|word| u64::from_be_bytes(word.try_into().unwrap())).collect();
        assert_eq!(words.len(), 2 * count as usize);
        words
    };
    client.extended(BLOCK_STATUS, 0, 4, 0, LARGE).await;
    let (kind, _, _, payload) = client.extended_chunk().await;
    assert_eq!((kind, words(&payload)), (6, vec![5 << 40, 3, 4096, 0, (3 << 40) - 4096, 3]));
    client.extended(BLOCK_STATUS, REQ_ONE, 5, 4096, LARGE - 4096).await;
    assert_eq!(words(&client.extended_chunk().await.3), [(5 << 40) - 4096, 3]);
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_requests_get_their_error() {
    let served = Served::start().await;
    let mut client = served.greeted().await;
    client.ask_for_status(11).await;
    for (command, flags, offset, length, expected) in [
        (WRITE, 0, 0, 512, EINVAL),
        (READ, PAYLOAD_LEN, 0, 512, EINVAL),
        (BLOCK_STATUS, PAYLOAD_LEN, 0, 12, EINVAL),
        (FLUSH, PAYLOAD_LEN, 0, 64, EINVAL),
        (READ, 0, 0, 1 << 40, EOVERFLOW),
        (READ, 0, u64::MAX, 2, EINVAL),
        (TRIM, 0, 1, u64::MAX, EINVAL),
        (ZEROES, 0, 0, SIZE + 1, ENOSPC),
        (WRITE, PAYLOAD_LEN, SIZE, 512, ENOSPC),
    ] {
        client.extended(command, flags, 1, offset, length).await;
        if flags & PAYLOAD_LEN != 0 {
            client.0.write_all(&vec![9; length as usize]).await.unwrap();
        }
        assert_eq!(client.error().await, expected, "command {command}, flags {flags}, {length} bytes at {offset}");
    }
    let data = served.device.read(0, 1 << 20).await.unwrap();
    assert!(data.iter().all(|&byte| byte == 0), "a refused write writes nothing");
    client.extended(WRITE, PAYLOAD_LEN, 1, 0, 1 << 50).await;
    assert!(client.hung_up().await.is_empty(), "nobody waits for the end of such a payload");

    let mut compact = served.greeted().await;
    compact.ask_for_status(11).await;
    compact.request(READ, 0, 1, 0, 512).await;
    compact.0.write_all(&[0; 4]).await.unwrap();
    assert!(compact.hung_up().await.is_empty(), "a request of the other form");
    served.still_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_agreed_is_not_taken_back() {
    let served = Served::start().await;
    let mut client = served.greeted().await;
    client.option(8, &[]).await;
    assert_eq!(client.option_reply().await.0, 1);
    client.option(11, &[]).await;
    assert_eq!(client.option_reply().await.0, 1);
    client.option(8, &[]).await;
    assert_eq!(client.option_reply().await.0, ERR_EXT_HEADER_REQD);
    client.option(1, b"vol-1").await;
    assert!(client.hung_up().await.is_empty(), "EXPORT_NAME can't enter transmission with extended headers");
    served.still_serves().await;
}
