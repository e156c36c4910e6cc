//! Persistent reservations: the registered keys and who holds the unit.

use std::collections::BTreeMap;

use super::super::completion::Failure;
use super::super::identity::InitiatorPort;
use super::super::opcodes::Access;
use super::super::sense::{AdditionalSense, Sense};

/// Registered initiator ports at most: far more than clusters have hosts and paths, little enough memory.
const MAX_REGISTRATIONS: usize = 1024;

/// The six types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    WriteExclusive = 1,
    ExclusiveAccess = 3,
    WriteExclusiveRegistrantsOnly = 5,
    ExclusiveAccessRegistrantsOnly = 6,
    WriteExclusiveAllRegistrants = 7,
    ExclusiveAccessAllRegistrants = 8,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::WriteExclusive,
        Self::ExclusiveAccess,
        Self::WriteExclusiveRegistrantsOnly,
        Self::ExclusiveAccessRegistrantsOnly,
        Self::WriteExclusiveAllRegistrants,
        Self::ExclusiveAccessAllRegistrants,
    ];

    pub(super) fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    fn stops_readers(self) -> bool {
        matches!(
            self,
            Self::ExclusiveAccess | Self::ExclusiveAccessRegistrantsOnly | Self::ExclusiveAccessAllRegistrants
        )
    }

    /// Whether everybody who is registered has access.
    fn admits_registrants(self) -> bool {
        !matches!(self, Self::WriteExclusive | Self::ExclusiveAccess)
    }

    /// Whether everybody who is registered holds the reservation.
    pub(super) fn is_held_by_all(self) -> bool {
        matches!(self, Self::WriteExclusiveAllRegistrants | Self::ExclusiveAccessAllRegistrants)
    }
}

/// A reservation of the whole unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reservation {
    pub(super) kind: Kind,
    /// Who made it. With the all-registrants types every registrant is a holder.
    maker: InitiatorPort,
}

/// The registered ports with their keys, and the reservation if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Registrations {
    keys: BTreeMap<InitiatorPort, u64>,
    reservation: Option<Reservation>,
}

/// What others have to be told and to suffer after a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Consequences {
    pub(super) attentions: Vec<(InitiatorPort, AdditionalSense)>,
    /// Ports whose registration was taken away by PREEMPT.
    pub(super) preempted: Vec<InitiatorPort>,
}

impl Registrations {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.reservation.is_some()
    }

    pub(super) fn reservation(&self) -> Option<&Reservation> {
        self.reservation.as_ref()
    }

    pub(super) fn key_of(&self, port: &InitiatorPort) -> Option<u64> {
        self.keys.get(port).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&InitiatorPort, u64)> {
        self.keys.iter().map(|(port, key)| (port, *key))
    }

    /// The key that READ RESERVATION tells: the holder's, 0 when all registrants hold it.
    pub(super) fn holder_key(&self) -> Option<u64> {
        let reservation = self.reservation()?;
        if reservation.kind.is_held_by_all() { Some(0) } else { self.key_of(&reservation.maker) }
    }

    pub(super) fn holds(&self, port: &InitiatorPort) -> bool {
        self.reservation().is_some_and(|reservation| {
            if reservation.kind.is_held_by_all() { self.keys.contains_key(port) } else { reservation.maker == *port }
        })
    }

    /// Whether the reservation stops a command of `port`.
    pub(super) fn stop(&self, access: Access, port: &InitiatorPort) -> bool {
        let Some(Reservation { kind, .. }) = self.reservation() else {
            return false;
        };
        let is_concerned = match access {
            Access::Free | Access::Asks => false,
            Access::Reads => kind.stops_readers(),
            Access::Manages | Access::Writes => true,
        };
        let is_admitted = self.holds(port) || (kind.admits_registrants() && self.keys.contains_key(port));
        is_concerned && !is_admitted
    }

    /// A key of 0 ends the registration, and with it a reservation that only this port held.
    ///
    /// # Errors
    /// INSUFFICIENT REGISTRATION RESOURCES.
    pub(super) fn register(&mut self, port: &InitiatorPort, key: u64) -> Result<Consequences, Failure> {
        if key == 0 {
            return Ok(self.unregister(port));
        }
        if self.keys.len() >= MAX_REGISTRATIONS && !self.keys.contains_key(port) {
            return Err(Sense::illegal(AdditionalSense::INSUFFICIENT_REGISTRATION_RESOURCES).into());
        }
        self.keys.insert(port.clone(), key);
        Ok(Consequences::default())
    }

    fn unregister(&mut self, port: &InitiatorPort) -> Consequences {
        let held = self.holds(port);
        self.keys.remove(port);
        let Some(kind) = self.reservation().map(|reservation| reservation.kind) else {
            return Consequences::default();
        };
        if !held || (kind.is_held_by_all() && !self.keys.is_empty()) {
            return Consequences::default();
        }
        self.reservation = None;
        if kind.admits_registrants() {
            self.tell_all(AdditionalSense::RESERVATIONS_RELEASED)
        } else {
            Consequences::default()
        }
    }

    /// Again with the same type is no error for a holder; anything else conflicts with a reservation.
    pub(super) fn reserve(&mut self, port: &InitiatorPort, kind: Kind) -> Result<(), Failure> {
        match self.reservation() {
            None => {
                self.reservation = Some(Reservation { kind, maker: port.clone() });
                Ok(())
            }
            Some(reservation) if reservation.kind == kind && self.holds(port) => Ok(()),
            Some(_) => Err(Failure::ReservationConflict),
        }
    }

    /// Without effect for a port that holds nothing.
    ///
    /// # Errors
    /// INVALID RELEASE OF PERSISTENT RESERVATION when the type is another.
    pub(super) fn release(&mut self, port: &InitiatorPort, kind: Kind) -> Result<Consequences, Failure> {
        if !self.holds(port) {
            return Ok(Consequences::default());
        }
        if self.reservation().is_none_or(|reservation| reservation.kind != kind) {
            return Err(Sense::illegal(AdditionalSense::INVALID_RELEASE_OF_PERSISTENT_RESERVATION).into());
        }
        self.reservation = None;
        if !kind.admits_registrants() {
            return Ok(Consequences::default());
        }
        Ok(self.tell_all(AdditionalSense::RESERVATIONS_RELEASED).without(port))
    }

    /// Ends the reservation and every registration.
    pub(super) fn clear(&mut self, port: &InitiatorPort) -> Consequences {
        let told = self.tell_all(AdditionalSense::RESERVATIONS_PREEMPTED).without(port);
        *self = Self::default();
        told
    }

    /// Takes the registrations with `key` away from other ports, and the reservation when they held it (`key` 0: when all
    /// registrants hold it), which then is `port`'s and of `kind`.
    ///
    /// # Errors
    /// RESERVATION CONFLICT when nobody is registered with the key; INVALID FIELD IN PARAMETER LIST for key 0 where not all
    /// registrants hold the reservation.
    pub(super) fn preempt(&mut self, port: &InitiatorPort, key: u64, kind: Kind) -> Result<Consequences, Failure> {
        let all_hold = self.reservation().is_some_and(|reservation| reservation.kind.is_held_by_all());
        if key == 0 && !all_hold {
            return Err(Sense::invalid_parameter(8).into());
        }
        let takes_reservation = if all_hold { key == 0 } else { self.holder_key() == Some(key) };
        let concerned: Vec<_> =
            self.iter().filter(|(_, own)| key == 0 || *own == key).map(|(at, _)| at.clone()).collect();
        if concerned.is_empty() {
            return Err(Failure::ReservationConflict);
        }
        let preempted: Vec<_> = concerned.into_iter().filter(|other| other != port).collect();
        for other in &preempted {
            self.keys.remove(other);
        }
        let mut attentions: Vec<_> =
            preempted.iter().map(|other| (other.clone(), AdditionalSense::REGISTRATIONS_PREEMPTED)).collect();
        if takes_reservation {
            let before = self.reservation.replace(Reservation { kind, maker: port.clone() });
            if before.is_some_and(|before| before.kind != kind) {
                attentions.extend(self.tell_all(AdditionalSense::RESERVATIONS_RELEASED).without(port).attentions);
            }
        }
        Ok(Consequences { attentions, preempted })
    }

    fn tell_all(&self, code: AdditionalSense) -> Consequences {
        let attentions = self.keys.keys().map(|port| (port.clone(), code)).collect();
        Consequences { attentions, preempted: Vec::new() }
    }
}

impl Consequences {
    fn without(mut self, port: &InitiatorPort) -> Self {
        self.attentions.retain(|(told, _)| told != port);
        self
    }
}
