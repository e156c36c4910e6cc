//! RESERVE (6) and RELEASE (6).

use super::super::completion::{Completion, Failure, Outcome};
use super::super::nexus::Call;
use super::{Inner, State};
use crate::frontend::BlockDevice;

/// The unit belongs to this session from now on; again is no error. Conflicts with another session's reservation and with
/// any persistent registration.
pub(crate) fn reserve<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let id = call.nexus.id;
    call.unit.reservations.change(|inner: &mut Inner| match inner.state {
        State::Open => {
            inner.state = State::Reserved(id);
            Ok(Completion::good())
        }
        State::Reserved(holder) if holder == id => Ok(Completion::good()),
        State::Reserved(_) | State::Persistent(_) => Err(Failure::ReservationConflict),
    })
}

/// GOOD without effect for a session that has not reserved the unit.
pub(crate) fn release<D: BlockDevice>(call: &Call<'_, D>) -> Outcome {
    let id = call.nexus.id;
    call.unit.reservations.change(|inner: &mut Inner| match inner.state {
        State::Reserved(holder) if holder == id => {
            inner.state = State::Open;
            Ok(Completion::good())
        }
        State::Open | State::Reserved(_) => Ok(Completion::good()),
        State::Persistent(_) => Err(Failure::ReservationConflict),
    })
}
