//! MODE SENSE.

use super::super::completion::{Completion, Outcome};
use super::super::nexus::Call;
use super::super::sense::{AdditionalSense, Sense};
use super::pages::{self, PAGES};
use super::{block_descriptor, is_long};
use crate::frontend::BlockDevice;

const ALL_PAGES: u8 = 0x3f;
const ALL_SUBPAGES: u8 = 0xff;
/// Device-specific parameter: write protected; DPO and FUA are taken.
const WP: u8 = 0x80;
const DPOFUA: u8 = 0x10;

pub(crate) fn mode_sense<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let cdb = call.cdb;
    let pages = pages_asked_for(call)?;
    let descriptor = if cdb.bit(1, 3) { Vec::new() } else { block_descriptor(call.unit.size_bytes()).to_vec() };
    let device_specific = DPOFUA | if call.unit.modes.write_protected() { WP } else { 0 };
    let rest = descriptor.len() + pages.len();
    let mut data = if is_long(cdb) {
        let length = (rest as u16 + 6).to_be_bytes();
        vec![length[0], length[1], 0, device_specific, 0, 0, 0, descriptor.len() as u8]
    } else {
        vec![rest as u8 + 3, 0, device_specific, descriptor.len() as u8]
    };
    data.extend(descriptor);
    data.extend(pages);
    let allocation = if is_long(cdb) { cdb.u16_at(7) } else { u16::from(cdb.byte(4)) };
    Ok(Completion::parameters(data, usize::from(allocation)))
}

/// The values that the page control field asks for: 0 current, 1 changeable bits, 2 default, 3 saved (not had).
fn pages_asked_for<D: BlockDevice>(call: &Call<'_, D>) -> Result<Vec<u8>, Sense> {
    let (control, page, subpage) = (call.cdb.byte(2) >> 6, call.cdb.byte(2) & 0x3f, call.cdb.byte(3));
    if subpage != 0 && subpage != ALL_SUBPAGES {
        return Err(Sense::invalid_cdb_byte(3));
    }
    let values = |page| match control {
        0 => call.unit.modes.current(page),
        1 => pages::changeable(page),
        _ => pages::default(page),
    };
    if control == 3 {
        return Err(Sense::illegal(AdditionalSense::SAVING_PARAMETERS_NOT_SUPPORTED));
    }
    match page {
        ALL_PAGES => Ok(PAGES.into_iter().filter_map(values).flatten().collect()),
        page => values(page).ok_or(Sense::invalid_cdb_bit(2, 5)),
    }
}
