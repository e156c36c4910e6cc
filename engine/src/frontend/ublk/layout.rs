//! What the driver is told of a device, and tells of it, byte for byte (`linux/ublk_cmd.h`). Numbers are in the machine's
//! own byte order.

/// What a device, or a driver, can do (`UBLK_F_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features(pub(super) u64);

impl Features {
    /// The device outlives its server, and another one takes it over.
    pub(super) const RECOVERY: Self = Self(1 << 3);
    /// Requests that the old server did not answer are given to the new one.
    pub(super) const REISSUE: Self = Self(1 << 4);
    /// Commands have the numbers of ioctls.
    pub(super) const IOCTL_NUMBERS: Self = Self(1 << 6);
    /// Data is copied by reads and writes on `/dev/ublkc<id>` (Linux 6.5).
    pub(super) const USER_COPY: Self = Self(1 << 7);
    /// A device that is in use can be resized (Linux 6.16).
    pub(super) const RESIZE: Self = Self(1 << 10);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

/// `UBLK_S_DEV_…`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceState {
    /// Not started yet, or stopped.
    Dead,
    Live,
    /// Its server is gone; requests wait.
    Quiesced,
    Other(u16),
}

impl DeviceState {
    fn decode(number: u16) -> Self {
        match number {
            0 => Self::Dead,
            1 => Self::Live,
            2 => Self::Quiesced,
            other => Self::Other(other),
        }
    }
}

/// `struct ublksrv_ctrl_dev_info`:
///
/// | bytes | |
/// |---|---|
/// | 0..2 | queues |
/// | 2..4 | requests in flight of each |
/// | 4..6 | state |
/// | 8..12 | largest request, bytes |
/// | 12..16 | id; all ones: any free one |
/// | 16..20 | process that serves it |
/// | 24..32 | features |
/// | 32..40 | whatever the server likes: whose device it is |
/// | 40..64 | owner and reserve |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeviceInfo {
    pub(super) queues: u16,
    pub(super) depth: u16,
    pub(super) state: DeviceState,
    pub(super) largest_request_bytes: u32,
    pub(super) id: u32,
    pub(super) features: Features,
    pub(super) owner: u64,
}

pub(super) const ANY_ID: u32 = u32::MAX;

impl DeviceInfo {
    pub(super) const BYTES: usize = 64;

    /// For a new device: without a state.
    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0..2].copy_from_slice(&self.queues.to_ne_bytes());
        bytes[2..4].copy_from_slice(&self.depth.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.largest_request_bytes.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.id.to_ne_bytes());
        bytes[24..32].copy_from_slice(&self.features.0.to_ne_bytes());
        bytes[32..40].copy_from_slice(&self.owner.to_ne_bytes());
        bytes
    }

    /// `None`: too few bytes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let short = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        Some(Self {
            queues: short(0)?,
            depth: short(2)?,
            state: DeviceState::decode(short(4)?),
            largest_request_bytes: word(8)?,
            id: word(12)?,
            features: Features(long(24)?),
            owner: long(32)?,
        })
    }
}

/// Sectors of the block layer, whatever the device has.
pub(super) const SECTOR_BYTES: u64 = 512;

/// What users of the block device see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters {
    pub(super) size_bytes: u64,
    pub(super) logical_block_bytes: u32,
    pub(super) physical_block_bytes: u32,
    pub(super) largest_request_bytes: u32,
    pub(super) discard_granularity_bytes: u32,
    /// Of a discard, and of zeroing.
    pub(super) largest_discard_bytes: u64,
}

mod attribute {
    pub(super) const VOLATILE_CACHE: u32 = 1 << 2;
    pub(super) const FUA: u32 = 1 << 3;
}

/// Sections of the parameters that are filled in: basic and discard.
const SECTIONS: u32 = 1 | 2;

impl Parameters {
    pub(super) const BYTES: usize = 60;

    /// `struct ublk_params`, up to its second section:
    ///
    /// | bytes | |
    /// |---|---|
    /// | 0..4 | length |
    /// | 4..8 | sections |
    /// | 8..12 | attributes |
    /// | 12, 13 | logical and physical block, as powers of two |
    /// | 14, 15 | best and smallest good request, as powers of two |
    /// | 16..20 | largest request, sectors |
    /// | 24..32 | size, sectors |
    /// | 44..48 | granularity of discards, bytes |
    /// | 48..52, 52..56 | largest discard and largest zeroing, sectors |
    /// | 56..58 | ranges of one discard |
    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let sectors = |bytes: u64| (bytes / SECTOR_BYTES) as u32;
        let power = |bytes: u32| bytes.trailing_zeros() as u8;
        let mut encoded = [0; Self::BYTES];
        let mut put = |at: usize, value: u32| encoded[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        put(0, Self::BYTES as u32);
        put(4, SECTIONS);
        put(8, attribute::VOLATILE_CACHE | attribute::FUA);
        put(16, sectors(self.largest_request_bytes.into()));
        put(44, self.discard_granularity_bytes);
        put(48, sectors(self.largest_discard_bytes));
        put(52, sectors(self.largest_discard_bytes));
        let physical = power(self.physical_block_bytes);
        encoded[12..16].copy_from_slice(&[power(self.logical_block_bytes), physical, physical, physical]);
        encoded[24..32].copy_from_slice(&(self.size_bytes / SECTOR_BYTES).to_ne_bytes());
        encoded[56..58].copy_from_slice(&1_u16.to_ne_bytes());
        encoded
    }
}

/// Where on `/dev/ublkc<id>` the data of a request is.
pub(super) fn data_position(queue: u16, tag: u16) -> u64 {
    const FIRST: u64 = 0x8000_0000;
    const TAG_SHIFT: u32 = 25;
    const QUEUE_SHIFT: u32 = TAG_SHIFT + 16;
    FIRST + (u64::from(queue) << QUEUE_SHIFT) + (u64::from(tag) << TAG_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: DeviceInfo = DeviceInfo {
        queues: 4,
        depth: 128,
        state: DeviceState::Dead,
        largest_request_bytes: 1 << 20,
        id: ANY_ID,
        features: Features::USER_COPY.and(Features::RECOVERY),
        owner: 0x0807_0605_0403_0201,
    };

    #[test]
    #[cfg(target_endian = "little")]
    fn a_device_is_described_as_the_kernels_header_says() {
        let mut expected = [0; 64];
        expected[0] = 4;
        expected[2] = 128;
        expected[10] = 0x10;
        expected[12..16].fill(0xff);
        expected[24] = 0x88;
        expected[32..40].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(INFO.encode(), expected);
    }

    #[test]
    fn a_description_is_read_back_and_a_short_one_refused() {
        let mut bytes = INFO.encode();
        assert_eq!(DeviceInfo::decode(&bytes), Some(INFO));
        bytes[4..6].copy_from_slice(&2_u16.to_ne_bytes());
        assert_eq!(DeviceInfo::decode(&bytes).unwrap().state, DeviceState::Quiesced);
        assert_eq!(DeviceInfo::decode(&bytes[..39]), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn parameters_are_as_the_kernels_header_says() {
        let parameters = Parameters {
            size_bytes: 3 << 30,
            logical_block_bytes: 512,
            physical_block_bytes: 4096,
            largest_request_bytes: 1 << 20,
            discard_granularity_bytes: 4096,
            largest_discard_bytes: 1 << 30,
        };
        let mut expected = [0; 60];
        expected[0] = 60;
        expected[4] = 3;
        expected[8] = 0b1100;
        expected[12..16].copy_from_slice(&[9, 12, 12, 12]);
        expected[17] = 0x08;
        expected[26] = 0x60;
        expected[45] = 0x10;
        expected[50] = 0x20;
        expected[54] = 0x20;
        expected[56] = 1;
        assert_eq!(parameters.encode(), expected);
    }

    #[test]
    fn every_request_has_32_mib_of_positions_of_its_own() {
        assert_eq!(data_position(0, 0), 0x8000_0000);
        assert_eq!(data_position(0, 3), 0x8000_0000 + (3 << 25));
        assert_eq!(data_position(2, 0), 0x8000_0000 + (2 << 41));
    }

    #[test]
    fn features_are_all_there_or_not() {
        let both = Features::RECOVERY.and(Features::REISSUE);
        assert!(both.has(Features::REISSUE) && both.has(both));
        assert!(!Features::RECOVERY.has(both));
    }
}
