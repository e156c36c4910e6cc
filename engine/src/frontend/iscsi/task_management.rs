//! Task management (RFC 7143, section 11.5): aborts and resets.
//!
//! | function | what is aborted | who is told |
//! |---|---|---|
//! | ABORT TASK | one task of the session | |
//! | ABORT TASK SET | the session's tasks | |
//! | CLEAR TASK SET | every session's tasks | the other sessions that had any, by a unit attention |
//! | LOGICAL UNIT RESET, TARGET WARM RESET | every session's tasks | every session, by a unit attention |
//! | TARGET COLD RESET | every session's tasks | every session; then all connections end |
//!
//! The answer is sent when nothing of what was aborted can reach the volume any more.

use std::sync::Arc;
use std::time::Duration;

use super::answer::TaskManagementResponse as Response;
use super::pdu::Header;
use super::session::{Aborting, Closing, Session};
use super::target::{Target, is_the_disk};
use crate::frontend::BlockDevice;

/// How long commands that were sent before an abort may take to arrive on other connections.
const ARRIVAL_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    AbortTask,
    AbortTaskSet,
    ClearTaskSet,
    LogicalUnitReset,
    TargetWarmReset,
    TargetColdReset,
    Reassign,
    Unknown,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) tag: u32,
    function: Function,
    lun: [u8; 8],
    cmd_sn: u32,
    referenced_tag: u32,
    referenced_cmd_sn: u32,
}

impl Request {
    pub(super) fn parse(header: &Header) -> Self {
        let function = match header.flags() & 0x7f {
            1 => Function::AbortTask,
            2 => Function::AbortTaskSet,
            4 => Function::ClearTaskSet,
            5 => Function::LogicalUnitReset,
            6 => Function::TargetWarmReset,
            7 => Function::TargetColdReset,
            8 => Function::Reassign,
            _ => Function::Unknown,
        };
        Self {
            tag: header.initiator_task_tag(),
            function,
            lun: header.lun(),
            cmd_sn: header.cmd_sn(),
            referenced_tag: header.u32_at(20),
            referenced_cmd_sn: header.u32_at(32),
        }
    }

    /// Returns the response when it is true.
    pub(super) async fn carry_out<D: BlockDevice>(&self, target: &Target<D>, session: &Arc<Session<D>>) -> Response {
        let speaks_of_a_unit =
            matches!(self.function, Function::AbortTaskSet | Function::ClearTaskSet | Function::LogicalUnitReset);
        if speaks_of_a_unit && !is_the_disk(self.lun) {
            return Response::NoSuchLun;
        }
        match self.function {
            Function::AbortTask => self.abort_task(session).await,
            Function::Reassign => Response::ReassignmentNotSupported,
            Function::Unknown => Response::NotSupported,
            Function::AbortTaskSet => self.abort(session, &[], |_| {}).await,
            Function::ClearTaskSet => {
                let tell = |other: &Session<D>| {
                    if let Some(nexus) = &other.nexus {
                        nexus.commands_cleared();
                    }
                };
                self.abort(session, &target.sessions_but(session), tell).await
            }
            Function::LogicalUnitReset | Function::TargetWarmReset => {
                let response = self.abort(session, &target.sessions_but(session), |_| {}).await;
                target.unit().reset(None);
                response
            }
            Function::TargetColdReset => {
                let others = target.sessions_but(session);
                let response = self.abort(session, &others, |_| {}).await;
                target.unit().reset(None);
                for other in others.iter().chain([session]) {
                    other.close(Closing::Orderly);
                }
                response
            }
        }
    }

    async fn abort_task<D: BlockDevice>(&self, session: &Session<D>) -> Response {
        match session.abort(self.referenced_tag, self.referenced_cmd_sn, self.cmd_sn) {
            Aborting::Found(task) => {
                session.wait_for_tasks(&[task]).await;
                Response::Complete
            }
            Aborting::NotYetArrived => Response::Complete,
            Aborting::Unknown => Response::NoSuchTask,
        }
    }

    /// Aborts the session's own tasks that came before this request, and all of `others`; `tell` is called for those of
    /// them that had any.
    async fn abort<D: BlockDevice>(
        &self,
        session: &Session<D>,
        others: &[Arc<Session<D>>],
        tell: impl Fn(&Session<D>),
    ) -> Response {
        // Commands sent before on other connections would otherwise arrive, and write, after the answer.
        if tokio::time::timeout(ARRIVAL_PATIENCE, session.wait_for_turn(self.cmd_sn)).await.is_err() {
            return Response::Rejected;
        }
        let own = session.abort_all(Some(self.cmd_sn));
        let of_others: Vec<_> = others.iter().map(|other| (other, other.abort_all(None))).collect();
        for (other, _) in of_others.iter().filter(|(_, aborted)| aborted.any) {
            tell(other);
        }
        session.wait_for_tasks(&own.ending).await;
        for (other, aborted) in of_others {
            other.wait_for_tasks(&aborted.ending).await;
        }
        Response::Complete
    }
}
