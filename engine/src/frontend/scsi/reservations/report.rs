//! PERSISTENT RESERVE IN.

use super::super::completion::{Completion, Outcome};
use super::super::nexus::Call;
use super::super::sense::Sense;
use super::persistent::{Kind, Registrations};
use super::transport_id::transport_id;
use super::{Inner, State};
use crate::frontend::BlockDevice;

pub(crate) fn persistent_reserve_in<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let none = Registrations::default();
    let inner = call.unit.reservations.lock();
    let registrations = match &inner.state {
        State::Persistent(registrations) => registrations,
        State::Open | State::Reserved(_) => &none,
    };
    let data = match call.cdb.byte(1) & 0x1f {
        0 => listed(&inner, &keys(registrations)),
        1 => listed(&inner, &reservation(registrations)),
        2 => capabilities(),
        3 => listed(&inner, &full_status(registrations, call.unit.identity.target_port)),
        _ => return Err(Sense::invalid_cdb_bit(1, 4).into()),
    };
    Ok(Completion::parameters(data, usize::from(call.cdb.u16_at(7))))
}

/// Generation u32, length u32, list.
fn listed(inner: &Inner, list: &[u8]) -> Vec<u8> {
    let mut data = inner.generation.to_be_bytes().to_vec();
    data.extend((list.len() as u32).to_be_bytes());
    data.extend(list);
    data
}

fn keys(registrations: &Registrations) -> Vec<u8> {
    registrations.iter().flat_map(|(_, key)| key.to_be_bytes()).collect()
}

/// Nothing, or 16 bytes: key u64, scope and type at 13.
fn reservation(registrations: &Registrations) -> Vec<u8> {
    let (Some(reservation), Some(key)) = (registrations.reservation(), registrations.holder_key()) else {
        return Vec::new();
    };
    let mut data = key.to_be_bytes().to_vec();
    data.extend([0; 8]);
    data[13] = reservation.kind as u8;
    data
}

/// Eight bytes: length u16; at 2 ATP_C (all target ports may be registered at once); at 3 TMV; at 4 the mask of types.
fn capabilities() -> Vec<u8> {
    let mask: u16 = Kind::ALL.into_iter().map(|kind| 1 << (kind as u8)).sum();
    // The bits of types 0 to 7 are in byte 4, those of 8 to 15 in byte 5.
    vec![0, 8, 0x04, 0x80, mask as u8, (mask >> 8) as u8, 0, 0]
}

/// For every registration 24 bytes and the port's transport id:
///
/// | bytes | what |
/// |---|---|
/// | 0–7 | key |
/// | 12 | holds the reservation |
/// | 13 | scope and type, when it holds |
/// | 18–19 | relative target port |
/// | 20–23 | length of the transport id |
fn full_status(registrations: &Registrations, target_port: u16) -> Vec<u8> {
    let mut list = Vec::new();
    for (port, key) in registrations.iter() {
        let id = transport_id(port);
        let held = registrations.reservation().filter(|_| registrations.holds(port));
        list.extend(key.to_be_bytes());
        list.extend([0; 4]);
        list.extend([u8::from(held.is_some()), held.map_or(0, |reservation| reservation.kind as u8)]);
        list.extend([0; 4]);
        list.extend(target_port.to_be_bytes());
        list.extend((id.len() as u32).to_be_bytes());
        list.extend(id);
    }
    list
}
