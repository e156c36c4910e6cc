//! The mode pages: caching and control.

use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const CACHING: u8 = 0x08;
pub(super) const CONTROL: u8 = 0x0a;
pub(super) const PAGES: [u8; 2] = [CACHING, CONTROL];

/// Bit of byte 4 of the control page.
const SWP: u8 = 0x08;

/// What initiators can change: one bit. It is the same for all of them and is forgotten when the engine ends.
#[derive(Debug, Default)]
pub(crate) struct Modes {
    write_protected: AtomicBool,
}

impl Modes {
    /// Whether an initiator has set software write protection.
    pub(crate) fn write_protected(&self) -> bool {
        self.write_protected.load(Ordering::Acquire)
    }

    /// Back to the values of the start.
    pub(crate) fn reset(&self) {
        self.protect(false);
    }

    pub(super) fn protect(&self, on: bool) {
        self.write_protected.store(on, Ordering::Release);
    }

    /// The current values of a page, with its two bytes of header.
    pub(super) fn current(&self, page: u8) -> Option<Vec<u8>> {
        let mut values = default(page)?;
        if page == CONTROL && self.write_protected() {
            values[4] |= SWP;
        }
        Some(values)
    }
}

/// The values of a page when the engine starts:
///
/// | page | what |
/// |---|---|
/// | caching | WCE: a plain write may sit in volatile caches of the disks; flushes and FUA reach through them |
/// | control | one task set for all sessions (TST 000b), in which SIMPLE commands may be reordered freely (QUEUE ALGORITHM MODIFIER 0001b; ORDERED and HEAD OF QUEUE are kept, see [`TaskSet`](crate::frontend::scsi::TaskSet)); aborts leave no status but a unit attention (TAS 0); descriptor sense not had; busy timeout unlimited |
pub(super) fn default(page: u8) -> Option<Vec<u8>> {
    let mut values = match page {
        CACHING => vec![0; 20],
        CONTROL => vec![0; 12],
        _ => return None,
    };
    values[0] = page;
    values[1] = values.len() as u8 - 2;
    match page {
        CACHING => values[2] = 0x04,
        _ => {
            values[3] = 0x10;
            values[8..10].fill(0xff);
        }
    }
    Some(values)
}

/// The bits of a page that MODE SELECT can change.
pub(super) fn changeable(page: u8) -> Option<Vec<u8>> {
    let mut mask = default(page)?;
    mask[2..].fill(0);
    if page == CONTROL {
        mask[4] = SWP;
    }
    Some(mask)
}

/// Whether a control page asks for write protection.
pub(super) fn asks_for_protection(control_page: &[u8]) -> bool {
    control_page[4] & SWP != 0
}
