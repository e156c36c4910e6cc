//! Who is who: the names of the logical unit and of the initiators.

use sha2::{Digest, Sha256};

use super::cdb::number;

/// Names of a logical unit, derived from the volume's name alone, so that they are the same on every node, after every
/// restart and on every path, and multipath software recognises the disk.
#[derive(Clone, Debug)]
pub struct Identity {
    /// iSCSI name of the target.
    pub(super) target_name: String,
    /// Tag of the target portal group; also the relative target port identifier.
    pub(super) target_port: u16,
    /// Where the unit is: 1, as Longhorn's target has it. Hosts know the disk by paths that end in `-lun-1`.
    pub(super) lun: u8,
    /// Unit serial number: 32 hexadecimal digits.
    pub(super) serial: String,
    /// NAA locally assigned designator (type 3h in the upper four bits).
    pub(super) naa: u64,
}

const LUN: u8 = 1;

impl Identity {
    /// The number of the logical unit. Commands for any other LUN are the transport's to answer.
    #[must_use]
    pub fn lun(&self) -> u8 {
        self.lun
    }

    /// `target_port` is the tag of the portal group and at least 1.
    #[must_use]
    pub fn new(volume: &str, target_name: &str, target_port: u16) -> Self {
        let digest = Sha256::digest(format!("aurochs volume {volume}"));
        let word = |at: usize| number(&digest[at..at + 8]);
        Self {
            target_name: target_name.to_owned(),
            target_port,
            lun: LUN,
            serial: format!("{:016x}{:016x}", word(0), word(8)),
            naa: 0x3 << 60 | word(16) >> 4,
        }
    }
}

/// The initiator's end of a session. Registrations of persistent reservations are kept under it: a session that comes
/// back with the same name and ISID finds its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InitiatorPort {
    /// iSCSI name, at most 223 bytes.
    pub name: String,
    pub isid: [u8; 6],
}
