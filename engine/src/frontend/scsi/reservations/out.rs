//! PERSISTENT RESERVE OUT.

use super::super::cdb::{Cdb, number};
use super::super::completion::{Completion, Failure, Outcome};
use super::super::nexus::Call;
use super::super::sense::{AdditionalSense, Sense};
use super::persistent::{Consequences, Kind, Registrations};
use super::{Inner, State};
use crate::disk::AlignedBuf;
use crate::frontend::BlockDevice;

const PARAMETER_BYTES: u32 = 24;
/// Flags in byte 20: other ports' registrations are given; all target ports are meant (there is one); survive power loss.
const SPEC_I_PT: u8 = 0x08;
const ALL_TG_PT: u8 = 0x04;
const APTPL: u8 = 0x01;

/// The service actions, in the order of their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Register,
    Reserve,
    Release,
    Clear,
    Preempt,
    PreemptAndAbort,
    RegisterAndIgnoreExistingKey,
}

struct Request {
    action: Action,
    kind: Result<Kind, Sense>,
    key: u64,
    action_key: u64,
}

pub(crate) fn data_out_bytes(cdb: &Cdb) -> u64 {
    if cdb.u32_at(5) == PARAMETER_BYTES { u64::from(PARAMETER_BYTES) } else { 0 }
}

/// PREEMPT AND ABORT is answered when no command that a preempted initiator sent before is at work any more: it was carried
/// out before or is refused from now on.
pub(crate) async fn persistent_reserve_out<D: BlockDevice>(call: &Call<'_, D>, parameters: &AlignedBuf) -> Outcome {
    let request = parse(call.cdb, parameters)?;
    let consequences = call.unit.reservations.change(|inner| apply(inner, call, &request))?;
    for (port, code) in consequences.attentions {
        call.unit.nexuses.attention_where(code, |nexus| nexus.initiator == port && nexus.id != call.nexus.id);
    }
    if request.action == Action::PreemptAndAbort {
        for nexus in call.unit.nexuses.of_ports(&consequences.preempted) {
            drop(nexus.at_work.write().await);
        }
    }
    Ok(Completion::good())
}

/// | bytes | what |
/// |---|---|
/// | 0–7 | reservation key: the one this port is registered with |
/// | 8–15 | service action reservation key |
/// | 20 | flags |
fn parse(cdb: &Cdb, parameters: &[u8]) -> Result<Request, Sense> {
    let action = match cdb.byte(1) & 0x1f {
        0 => Action::Register,
        1 => Action::Reserve,
        2 => Action::Release,
        3 => Action::Clear,
        4 => Action::Preempt,
        5 => Action::PreemptAndAbort,
        6 => Action::RegisterAndIgnoreExistingKey,
        _ => return Err(Sense::invalid_cdb_bit(1, 4)),
    };
    if cdb.u32_at(5) != PARAMETER_BYTES || parameters.len() < PARAMETER_BYTES as usize {
        return Err(Sense::illegal(AdditionalSense::PARAMETER_LIST_LENGTH_ERROR));
    }
    let registers = matches!(action, Action::Register | Action::RegisterAndIgnoreExistingKey);
    let allowed = if registers { ALL_TG_PT } else { ALL_TG_PT | SPEC_I_PT | APTPL };
    if parameters[20] & !allowed != 0 {
        return Err(Sense::invalid_parameter(20));
    }
    let scope_is_unit = cdb.byte(2) >> 4 == 0;
    let kind = Kind::of(cdb.byte(2) & 0x0f).filter(|_| scope_is_unit).ok_or(Sense::invalid_cdb_byte(2));
    Ok(Request { action, kind, key: number(&parameters[..8]), action_key: number(&parameters[8..16]) })
}

fn apply<D: BlockDevice>(inner: &mut Inner, call: &Call<'_, D>, request: &Request) -> Result<Consequences, Failure> {
    let mut registrations = match &inner.state {
        State::Open => Registrations::default(),
        State::Reserved(_) => return Err(Failure::ReservationConflict),
        State::Persistent(registrations) => registrations.clone(),
    };
    let consequences = change(&mut registrations, call, request)?;
    let counts = !matches!(request.action, Action::Reserve | Action::Release);
    inner.generation = inner.generation.wrapping_add(u32::from(counts));
    inner.state = if registrations.is_empty() { State::Open } else { State::Persistent(registrations) };
    Ok(consequences)
}

/// Everything but REGISTER AND IGNORE EXISTING KEY wants the right key; REGISTER of a port without one wants 0.
fn change<D: BlockDevice>(
    registrations: &mut Registrations,
    call: &Call<'_, D>,
    request: &Request,
) -> Result<Consequences, Failure> {
    let port = &call.nexus.initiator;
    let registered = registrations.key_of(port);
    let key_is_right = match request.action {
        Action::RegisterAndIgnoreExistingKey => true,
        Action::Register => registered.unwrap_or(0) == request.key,
        _ => registered == Some(request.key),
    };
    if !key_is_right {
        return Err(Failure::ReservationConflict);
    }
    match request.action {
        Action::Register | Action::RegisterAndIgnoreExistingKey => registrations.register(port, request.action_key),
        Action::Reserve => registrations.reserve(port, request.kind?).map(|()| Consequences::default()),
        Action::Release => registrations.release(port, request.kind?),
        Action::Clear => Ok(registrations.clear(port)),
        Action::Preempt | Action::PreemptAndAbort => registrations.preempt(port, request.action_key, request.kind?),
    }
}
