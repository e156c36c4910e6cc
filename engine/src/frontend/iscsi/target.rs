//! The target: its name, its disk, and who is logged in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::answer::{Answer, Event};
use super::login::{Identification, LoginStatus, Ready};
use super::session::{Closing, ConnectionHandle, Session};
use crate::frontend::BlockDevice;
use crate::frontend::in_flight::Pool;
use crate::frontend::scsi::{AdditionalSense, LogicalUnit, Sense, SenseKey};

/// The disk is LUN 1, as Longhorn's is (peripheral device addressing).
pub(super) const LUN: [u8; 8] = [0, 1, 0, 0, 0, 0, 0, 0];
/// The same unit in flat space addressing.
const FLAT_LUN: [u8; 8] = [0x40, 1, 0, 0, 0, 0, 0, 0];
/// Initiators at a time: a volume has one user, some more paths, and somebody who looks. With the command window and the
/// first burst it bounds what comes unasked: 288 MiB.
const MAX_SESSIONS: usize = 32;
/// So long may the commands of a session take to end that its initiator replaces by a new one. Less than initiators
/// wait for a login.
const REPLACEMENT_PATIENCE: Duration = Duration::from_secs(8);

pub(super) fn is_the_disk(lun: [u8; 8]) -> bool {
    lun == LUN || lun == FLAT_LUN
}

/// Whether a login takes the place of a session: same initiator port, same kind.
fn is_same<D: BlockDevice>(session: &Session<D>, ready: &Ready) -> bool {
    session.initiator == ready.initiator && session.nexus.is_none() == ready.agreement.is_discovery
}

pub(super) struct Target<D: BlockDevice> {
    who: Identification,
    unit: Arc<LogicalUnit<D>>,
    /// What the commands of all connections may take.
    pool: Pool,
    sessions: Mutex<BTreeMap<u16, Arc<Session<D>>>>,
    /// A connection has ended.
    left: Notify,
}

impl<D: BlockDevice> Target<D> {
    pub(super) fn new(who: Identification, unit: Arc<LogicalUnit<D>>) -> Self {
        Self { who, unit, pool: Pool::new(), sessions: Mutex::default(), left: Notify::new() }
    }

    pub(super) fn who(&self) -> &Identification {
        &self.who
    }

    pub(super) fn unit(&self) -> &LogicalUnit<D> {
        &self.unit
    }

    pub(super) fn pool(&self) -> Pool {
        self.pool.clone()
    }

    pub(super) fn sessions_but(&self, session: &Arc<Session<D>>) -> Vec<Arc<Session<D>>> {
        self.lock().values().filter(|other| !Arc::ptr_eq(other, session)).cloned().collect()
    }

    /// Tells every session that the disk has grown: by a unit attention, and at once by an event.
    pub(super) fn size_changed(&self) {
        self.unit.size_changed();
        let sense = Sense::new(SenseKey::UnitAttention, AdditionalSense::CAPACITY_DATA_HAS_CHANGED);
        let sessions: Vec<_> = self.lock().values().filter(|session| session.nexus.is_some()).cloned().collect();
        for connection in sessions.iter().filter_map(|session| session.connections().into_iter().next()) {
            connection.tell(Answer::Event(Event::Scsi(sense)));
        }
    }

    /// The session of a login: a new one, or the one that the connection is added to.
    ///
    /// Invariant: by then everything that the initiator's earlier session, or its connection of the same number, had
    /// begun has ended. Otherwise a write that the initiator repeats, and then overwrites, could land after both.
    ///
    /// # Errors
    /// Among others when what was begun does not end in time: the initiator tries again.
    pub(super) async fn admit(
        &self,
        ready: &Ready,
        connection: &ConnectionHandle,
    ) -> Result<Arc<Session<D>>, LoginStatus> {
        let admitting = async {
            loop {
                let left = self.left.notified();
                tokio::pin!(left);
                // Before looking, so that nobody who leaves in between is missed.
                left.as_mut().enable();
                if let Some(session) = self.try_admit(ready, connection)? {
                    return Ok(session);
                }
                left.await;
            }
        };
        tokio::time::timeout(REPLACEMENT_PATIENCE, admitting).await.unwrap_or_else(|_| {
            tracing::warn!(
                target_name = self.who.target_name,
                initiator = ready.initiator.name,
                "an iSCSI initiator comes back while commands of its earlier session are still with the volume; it is \
                 let in when it tries again after they have ended"
            );
            Err(LoginStatus::ServiceUnavailable)
        })
    }

    /// `None` while the predecessor has not ended, which is told to.
    fn try_admit(&self, ready: &Ready, connection: &ConnectionHandle) -> Result<Option<Arc<Session<D>>>, LoginStatus> {
        let mut sessions = self.lock();
        if ready.session_handle != 0 {
            let session = sessions.get(&ready.session_handle).ok_or(LoginStatus::SessionDoesNotExist)?;
            return Ok(join(session, ready, connection)?.then(|| Arc::clone(session)));
        }
        // Session reinstatement (RFC 7143, section 6.3.5).
        if let Some(old) = sessions.values().find(|session| is_same(session, ready)) {
            old.close(Closing::AtOnce);
            return Ok(None);
        }
        if sessions.len() >= MAX_SESSIONS {
            return Err(LoginStatus::OutOfResources);
        }
        let handle = (1..=u16::MAX).find(|handle| !sessions.contains_key(handle)).ok_or(LoginStatus::OutOfResources)?;
        let agreement = &ready.agreement;
        let nexus = (!agreement.is_discovery).then(|| self.unit.nexus(ready.initiator.clone()));
        let session =
            Arc::new(Session::new(ready.initiator.clone(), handle, agreement.session.clone(), nexus, ready.cmd_sn));
        session.connect(ready.connection_id, connection.clone());
        sessions.insert(handle, Arc::clone(&session));
        Ok(Some(session))
    }

    /// A connection has ended, its commands included. Under the lock, so that nobody joins a session that is leaving.
    pub(super) fn leave(&self, session: &Arc<Session<D>>, connection_id: u16, connection: &ConnectionHandle) {
        let mut sessions = self.lock();
        if session.disconnect(connection_id, connection) == 0 {
            sessions.retain(|_, present| !Arc::ptr_eq(present, session));
        }
        drop(sessions);
        self.left.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, Arc<Session<D>>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a connection to a session. False while an earlier one of the same number has not ended, which is told to.
fn join<D: BlockDevice>(
    session: &Session<D>,
    ready: &Ready,
    connection: &ConnectionHandle,
) -> Result<bool, LoginStatus> {
    if session.initiator != ready.initiator || session.nexus.is_none() || ready.agreement.is_discovery {
        return Err(LoginStatus::SessionDoesNotExist);
    }
    if let Some(old) = session.connection(ready.connection_id) {
        old.close(Closing::AtOnce);
        return Ok(false);
    }
    if session.connection_count() >= session.parameters.max_connections as usize {
        return Err(LoginStatus::TooManyConnections);
    }
    session.connect(ready.connection_id, connection.clone());
    Ok(true)
}
