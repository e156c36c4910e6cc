//! Reservations: who may do what while one initiator has the unit for itself.
//!
//! There are two kinds, and never both at once: RESERVE (6) of SPC-2, which belongs to a session and ends with it, and
//! persistent reservations, which belong to registered initiator ports. Both are kept in memory: they end with the
//! engine, and a registration that asks to survive a loss of power (APTPL) is refused, so nobody relies on it.
//!
//! ```text
//!            RESERVE(6)                    REGISTER
//! Reserved ◄──────────── Open ────────────────────────► Persistent
//!          ────────────►      ◄────────────────────────
//!   RELEASE(6), reset,          last key unregistered, CLEAR
//!   end of the session
//! ```

pub(super) mod out;
pub(super) mod persistent;
pub(super) mod report;
pub(super) mod reserve;
mod transport_id;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::persistent::Registrations;
use super::logical_unit::{NexusId, NexusState};
use super::opcodes::Access;

#[derive(Debug, Default)]
pub(super) struct Reservations {
    /// Whether there is a reservation at all, so that a command costs no lock while there is none.
    any: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// PRGENERATION: counts changes of registrations.
    generation: u32,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    /// RESERVE (6) of this session.
    Reserved(NexusId),
    /// At least one registration.
    Persistent(Registrations),
}

impl Reservations {
    /// Whether a command that wants `access` has to be refused with RESERVATION CONFLICT.
    pub(super) fn stops(&self, access: Access, nexus: &NexusState) -> bool {
        if access == Access::Free || !self.any.load(Ordering::Acquire) {
            return false;
        }
        match &self.lock().state {
            State::Open => false,
            State::Reserved(holder) => *holder != nexus.id,
            State::Persistent(registrations) => registrations.stop(access, &nexus.initiator),
        }
    }

    /// The end of a session, or a reset of the unit (`None`): RESERVE (6) ends, persistent reservations stay.
    pub(super) fn end_of(&self, nexus: Option<NexusId>) {
        self.change(|inner| {
            if let State::Reserved(holder) = inner.state
                && nexus.is_none_or(|nexus| nexus == holder)
            {
                inner.state = State::Open;
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        let result = change(&mut inner);
        let any = match &inner.state {
            State::Open => false,
            State::Reserved(_) => true,
            State::Persistent(registrations) => registrations.is_reserved(),
        };
        self.any.store(any, Ordering::Release);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
