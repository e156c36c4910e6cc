//! A small initiator that does as it is told, right or wrong.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for anything; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const TARGET: &str = "iqn.2019-10.io.longhorn:vol-1";
pub(crate) const NO_TAG: u32 = 0xffff_ffff;
pub(crate) const BLOCK: usize = 512;

/// Opcodes.
pub(crate) const NOP_IN: u8 = 0x20;
pub(crate) const SCSI_RESPONSE: u8 = 0x21;
pub(crate) const TASK_RESPONSE: u8 = 0x22;
pub(crate) const LOGIN_RESPONSE: u8 = 0x23;
pub(crate) const TEXT_RESPONSE: u8 = 0x24;
pub(crate) const DATA_IN: u8 = 0x25;
pub(crate) const LOGOUT_RESPONSE: u8 = 0x26;
pub(crate) const R2T: u8 = 0x31;
pub(crate) const EVENT: u8 = 0x32;
pub(crate) const REJECT: u8 = 0x3f;

/// Flags of a SCSI command.
pub(crate) const FINAL: u8 = 0x80;
pub(crate) const READ: u8 = 0xc0;
pub(crate) const WRITE: u8 = 0xa0;
pub(crate) const ORDERED: u8 = 0x02;

#[derive(Clone, Debug)]
pub(crate) struct Pdu {
    pub(crate) header: [u8; 48],
    pub(crate) data: Vec<u8>,
}

impl Pdu {
    pub(crate) fn new(opcode: u8, flags: u8, tag: u32) -> Self {
        let mut pdu = Self { header: [0; 48], data: Vec::new() };
        (pdu.header[0], pdu.header[1]) = (opcode, flags);
        pdu.with_u32(16, tag)
    }

    pub(crate) fn with_u32(mut self, at: usize, value: u32) -> Self {
        self.header[at..at + 4].copy_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn with_bytes(mut self, at: usize, bytes: &[u8]) -> Self {
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn with_data(mut self, data: &[u8]) -> Self {
        self.data = data.to_vec();
        let length = (data.len() as u32).to_be_bytes();
        self.with_bytes(5, &length[1..])
    }

    pub(crate) fn u32_at(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.header[at..at + 4].try_into().unwrap())
    }

    pub(crate) fn opcode(&self) -> u8 {
        self.header[0] & 0x3f
    }

    pub(crate) fn tag(&self) -> u32 {
        self.u32_at(16)
    }

    /// SCSI status of a response or of a Data-In that carries it.
    pub(crate) fn status(&self) -> u8 {
        self.header[3]
    }

    /// Sense key, additional sense code and qualifier of a response.
    pub(crate) fn sense(&self) -> (u8, u8, u8) {
        (self.data[4] & 0x0f, self.data[14], self.data[15])
    }

    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let text = String::from_utf8(self.data.clone()).unwrap();
        let pairs = text.split('\0').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    pub(crate) fn value(&self, key: &str) -> Option<String> {
        self.pairs().into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

pub(crate) fn text(pairs: &[(&str, &str)]) -> Vec<u8> {
    pairs.iter().flat_map(|(key, value)| format!("{key}={value}\0").into_bytes()).collect()
}

/// One connection.
pub(crate) struct Initiator {
    stream: TcpStream,
    pub(crate) cmd_sn: u32,
    pub(crate) next_tag: u32,
    pub(crate) digests: bool,
    /// ISID, TSIH and CID of the login.
    pub(crate) isid: [u8; 6],
    pub(crate) session: u16,
    pub(crate) connection: u16,
}

impl Initiator {
    pub(crate) async fn connect(portal: SocketAddr) -> Self {
        let stream = TcpStream::connect(portal).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, cmd_sn: 1, next_tag: 1, digests: false, isid: [0x80, 0, 0, 0, 0, 1], session: 0, connection: 0 }
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) fn encoded(&self, pdu: &Pdu) -> Vec<u8> {
        let mut bytes = pdu.header.to_vec();
        if self.digests {
            bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        }
        let mut data = pdu.data.clone();
        data.resize(data.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(&data);
        if self.digests && !data.is_empty() {
            bytes.extend(crc32c::crc32c(&data).to_le_bytes());
        }
        bytes
    }

    pub(crate) async fn send(&mut self, pdu: Pdu) {
        let bytes = self.encoded(&pdu);
        self.send_raw(&bytes).await;
    }

    /// The next PDU; `None` when the target has hung up.
    pub(crate) async fn try_receive(&mut self) -> Option<Pdu> {
        let receiving = async {
            let mut header = [0; 48];
            self.stream.read_exact(&mut header).await.ok()?;
            if self.digests {
                let digest = self.stream.read_u32_le().await.ok()?;
                assert_eq!(digest, crc32c::crc32c(&header), "header digest");
            }
            let length = u32::from_be_bytes([0, header[5], header[6], header[7]]) as usize;
            let mut data = vec![0; length.next_multiple_of(4)];
            self.stream.read_exact(&mut data).await.ok()?;
            if self.digests && length > 0 {
                let digest = self.stream.read_u32_le().await.ok()?;
                assert_eq!(digest, crc32c::crc32c(&data), "data digest");
            }
            data.truncate(length);
            Some(Pdu { header, data })
        };
        tokio::time::timeout(PATIENCE, receiving).await.expect("the target says nothing")
    }

    pub(crate) async fn receive(&mut self) -> Pdu {
        self.try_receive().await.expect("the target has hung up")
    }

    pub(crate) async fn expect(&mut self, opcode: u8) -> Pdu {
        let pdu = self.receive().await;
        assert_eq!(pdu.opcode(), opcode, "{pdu:?}");
        pdu
    }

    pub(crate) async fn expect_hang_up(&mut self) {
        let pdu = self.try_receive().await;
        assert!(pdu.is_none(), "{pdu:?}");
    }

    /// One login request; `stages` is the byte with T, CSG and NSG.
    pub(crate) async fn login_step(&mut self, stages: u8, pairs: &[(&str, &str)]) -> Pdu {
        let pdu = Pdu::new(0x43, stages, 7)
            .with_bytes(8, &self.isid)
            .with_bytes(14, &self.session.to_be_bytes())
            .with_bytes(20, &self.connection.to_be_bytes())
            .with_u32(24, self.cmd_sn)
            .with_data(&text(pairs));
        self.send(pdu).await;
        self.expect(LOGIN_RESPONSE).await
    }

    /// A login without authentication, in one step. Returns the answer.
    pub(crate) async fn login(&mut self, more: &[(&str, &str)]) -> Pdu {
        let names = [("InitiatorName", "iqn.1993-08.org.example:host"), ("TargetName", TARGET)];
        let answer = self.login_step(0x87, &[&names, more].concat()).await;
        assert_eq!(login_status(&answer), 0, "{answer:?}");
        assert_eq!(answer.header[1], 0x87, "in the full feature phase");
        self.session = u16::from_be_bytes([answer.header[14], answer.header[15]]);
        self.digests = more.contains(&("HeaderDigest", "CRC32C"));
        answer
    }

    /// A login whose unit attention has been fetched.
    pub(crate) async fn ready(portal: SocketAddr, more: &[(&str, &str)]) -> Self {
        let mut initiator = Self::connect(portal).await;
        initiator.login(more).await;
        let response = initiator.no_data(&[0]).await;
        assert_eq!(response.sense(), (6, 0x29, 0), "{response:?}");
        initiator
    }

    pub(crate) fn tag(&mut self) -> u32 {
        self.next_tag += 1;
        self.next_tag
    }

    /// A SCSI command for the disk with the next number.
    pub(crate) fn command(&mut self, cdb: &[u8], flags: u8, expected: usize) -> Pdu {
        let tag = self.tag();
        let number = self.cmd_sn;
        self.cmd_sn += 1;
        Pdu::new(0x01, flags, tag)
            .with_bytes(8, &[0, 1])
            .with_u32(20, expected as u32)
            .with_u32(24, number)
            .with_bytes(32, cdb)
    }

    pub(crate) async fn no_data(&mut self, cdb: &[u8]) -> Pdu {
        let command = self.command(cdb, FINAL, 0);
        self.send(command).await;
        self.expect(SCSI_RESPONSE).await
    }

    /// READ (10); returns the data and the last PDU.
    pub(crate) async fn read(&mut self, block: u32, blocks: u16, expected: usize) -> (Vec<u8>, Pdu) {
        let command = self.command(&cdb10(0x28, block, blocks), READ, expected);
        self.send(command).await;
        let mut data = Vec::new();
        loop {
            let pdu = self.receive().await;
            if pdu.opcode() != DATA_IN {
                return (data, pdu);
            }
            assert_eq!(pdu.u32_at(40) as usize, data.len(), "buffer offset");
            data.extend_from_slice(&pdu.data);
            if pdu.header[1] & 1 != 0 {
                return (data, pdu);
            }
        }
    }

    /// WRITE (10) with all of its data in the command's own PDU.
    pub(crate) fn immediate_write(&mut self, block: u32, data: &[u8]) -> Pdu {
        let cdb = cdb10(0x2a, block, (data.len() / BLOCK) as u16);
        self.command(&cdb, WRITE, data.len()).with_data(data)
    }

    pub(crate) fn data_out(&self, tag: u32, transfer_tag: u32, number: u32, offset: usize, data: &[u8]) -> Pdu {
        Pdu::new(0x05, FINAL, tag)
            .with_u32(20, transfer_tag)
            .with_u32(36, number)
            .with_u32(40, offset as u32)
            .with_data(data)
    }

    /// A task management request that is not in the order of commands.
    pub(crate) fn manage(&mut self, function: u8, tag: u32, cmd_sn: u32) -> Pdu {
        Pdu::new(0x42, FINAL | function, self.tag())
            .with_bytes(8, &[0, 1])
            .with_u32(20, tag)
            .with_u32(24, self.cmd_sn)
            .with_u32(32, cmd_sn)
    }
}

pub(crate) fn login_status(answer: &Pdu) -> u16 {
    u16::from_be_bytes([answer.header[36], answer.header[37]])
}

pub(crate) fn cdb10(opcode: u8, block: u32, blocks: u16) -> [u8; 10] {
    let (block, blocks) = (block.to_be_bytes(), blocks.to_be_bytes());
    [opcode, 0, block[0], block[1], block[2], block[3], 0, blocks[0], blocks[1], 0]
}

/// Bytes that repeat nowhere.
pub(crate) fn pattern(length: usize, seed: u32) -> Vec<u8> {
    (0..length as u32 / 4).flat_map(|n| (n ^ seed << 24).wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}
