//! INQUIRY: the standard data and the vital product data pages.

mod standard;
mod vital;

use super::completion::{Completion, Outcome};
use super::nexus::Call;
use super::sense::Sense;
use crate::frontend::BlockDevice;

pub(super) fn inquiry<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let page = call.cdb.byte(2);
    let data = match (call.cdb.bit(1, 0), page) {
        (true, page) => vital::page(page, &call.unit.identity).ok_or(Sense::invalid_cdb_byte(2))?,
        (false, 0) => standard::data(),
        (false, _) => return Err(Sense::invalid_cdb_byte(2).into()),
    };
    Ok(Completion::parameters(data, usize::from(call.cdb.u16_at(3))))
}

/// `text` in ASCII, cut or filled up with spaces to `length`.
fn padded(text: &str, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = text.bytes().map(|byte| if byte.is_ascii_graphic() { byte } else { b' ' }).collect();
    bytes.resize(length, b' ');
    bytes
}
