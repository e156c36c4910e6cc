//! One connection from its first byte to its last.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::answer::{Answer, Event, LogoutResponse};
use super::command_window::COMMAND_WINDOW;
use super::executor::Executor;
use super::login::{self, LoginError, Ready};
use super::receiver::{End, ReceiveError, Receiver, Surroundings};
use super::sender::Sender;
use super::session::{AtWork, Closing, ConnectionHandle, Session};
use super::target::Target;
use super::wire::PduReader;
use crate::frontend::BlockDevice;
use crate::frontend::in_flight::InFlight;
use crate::frontend::server::stopped;

/// A login takes a few round trips. Whoever needs longer holds a place that others may want.
const LOGIN_PATIENCE: Duration = Duration::from_secs(15);
/// After the last answer: so long may the initiator take to hang up, so that the answer is not lost with what it still
/// had on its way.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(1);
/// Answers that wait to be sent. With that many in the queue, nothing more is received.
const ANSWER_QUEUE: usize = 2 * COMMAND_WINDOW as usize;
/// Commands on their way to the executor.
const JOB_QUEUE: usize = COMMAND_WINDOW as usize;

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("the login was not finished within {} s", LOGIN_PATIENCE.as_secs())]
    LoginTimeout,
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Serves one initiator until it leaves or is cut off, and then until its commands have ended.
pub(super) async fn serve<D: BlockDevice>(
    target: Arc<Target<D>>,
    stream: TcpStream,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError> {
    // Answers are sent as whole PDUs; waiting for more would only add latency.
    stream.set_nodelay(true)?;
    let portal = stream.local_addr()?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = PduReader::new(reader);
    let login = tokio::time::timeout(LOGIN_PATIENCE, login::negotiate(&mut reader, &mut writer, target.who()));
    let ready = tokio::select! {
        outcome = login => outcome.map_err(|_| ConnectionError::LoginTimeout)??,
        // Nothing has begun yet, so nobody loses anything.
        () = stopped(&mut stop) => return Ok(()),
    };
    let (answers, queue) = mpsc::channel(ANSWER_QUEUE);
    let (handle, at_work) = ConnectionHandle::new(&answers);
    let session = match target.admit(&ready, &handle).await {
        Ok(session) => session,
        Err(status) => {
            ready.refuse(&mut writer, status).await?;
            let reason = "the session cannot be made or joined".into();
            return Err(LoginError::Refused { status, reason }.into());
        }
    };
    let _presence = Presence { target: &target, session: &session, id: ready.connection_id, handle: &handle };
    let connection =
        Connection { target: &target, session: &session, handle: &handle, portal, answers, queue, at_work };
    connection.run(&ready, reader, writer, stop).await
}

/// Takes a connection out of its session when it ends, however that happens: while it is in there, its initiator is
/// not let in anew.
struct Presence<'a, D: BlockDevice> {
    target: &'a Target<D>,
    session: &'a Arc<Session<D>>,
    id: u16,
    handle: &'a ConnectionHandle,
}

impl<D: BlockDevice> Drop for Presence<'_, D> {
    fn drop(&mut self) {
        self.target.leave(self.session, self.id, self.handle);
    }
}

/// A connection that has logged in.
struct Connection<'a, D: BlockDevice> {
    target: &'a Arc<Target<D>>,
    session: &'a Arc<Session<D>>,
    handle: &'a ConnectionHandle,
    portal: std::net::SocketAddr,
    answers: mpsc::Sender<Answer>,
    queue: mpsc::Receiver<Answer>,
    at_work: AtWork,
}

impl<D: BlockDevice> Connection<'_, D> {
    async fn run<R, W>(
        self,
        ready: &Ready,
        mut reader: PduReader<R>,
        mut writer: W,
        stop: watch::Receiver<bool>,
    ) -> Result<(), ConnectionError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let stat_sn = ready.accept(&mut writer, self.session.handle, self.session.numbers()).await?;
        tracing::info!(
            initiator = ready.initiator.name,
            session = self.session.handle,
            connection = ready.connection_id,
            "iSCSI initiator logged in"
        );
        let parameters = ready.agreement.connection.clone();
        reader.use_digests(parameters.digests);
        let sender = Sender::new(Arc::clone(self.session), parameters, writer, stat_sn);
        let (queue, handle) = (self.queue, self.handle);
        let sending = async {
            tokio::select! {
                sent = sender.run(queue) => sent,
                () = closed_at_once(handle.closing()) => Ok(()),
            }
        };
        let surroundings = Surroundings {
            target: Arc::clone(self.target),
            session: Arc::clone(self.session),
            connection_id: ready.connection_id,
            portal: self.portal,
            max_sent_segment_bytes: ready.agreement.connection.max_sent_segment_bytes,
        };
        let working = work(surroundings, reader, self.answers, handle, self.at_work);
        let stopping = async {
            let mut stop = stop;
            stopped(&mut stop).await;
            handle.close(Closing::Orderly);
            std::future::pending().await
        };
        let (received, sent) = tokio::select! {
            both = async { tokio::join!(working, sending) } => both,
            () = stopping => return Ok(()),
        };
        sent?;
        Ok(received?)
    }
}

/// Receives and executes; ends when every command has ended and every answer is in the queue.
async fn work<D: BlockDevice, R: AsyncRead + Unpin>(
    surroundings: Surroundings<D>,
    reader: PduReader<R>,
    answers: mpsc::Sender<Answer>,
    handle: &ConnectionHandle,
    at_work: AtWork,
) -> Result<(), ReceiveError> {
    let (jobs, queue) = mpsc::channel(JOB_QUEUE);
    let in_flight = InFlight::new(surroundings.target.pool());
    let (lost, is_lost) = watch::channel(false);
    let executor = Executor {
        target: Arc::clone(&surroundings.target),
        session: Arc::clone(&surroundings.session),
        in_flight: in_flight.clone(),
        answers: answers.clone(),
        is_lost,
    };
    let receiver = Receiver::new(surroundings, reader, in_flight, jobs, answers.clone());
    let receiving = async {
        let (end, reader) = receiver.run(handle.closing()).await;
        lost.send_replace(!end.as_ref().is_ok_and(End::is_agreed));
        (end, reader)
    };
    let ((end, reader), logouts) = tokio::join!(receiving, executor.run(queue));
    // Before waiting for the end of other connections, which may wait for the end of this one.
    drop(at_work);
    if end.as_ref().is_ok_and(End::is_agreed) {
        logouts.collect::<()>().await;
    }
    let last = match &end {
        Ok(End::Logout { tag, with }) => {
            for connection in with {
                connection.ended().await;
            }
            Some(Answer::Logout { tag: *tag, response: LogoutResponse::Closed })
        }
        Ok(End::Leaving) => Some(Answer::Event(Event::Leaving)),
        Ok(End::HungUp) | Err(_) => None,
    };
    if let Some(last) = last {
        let _ = answers.send(last).await;
        // The executor and this function are the last who could answer.
        drop((answers, executor));
        let _ = tokio::time::timeout(FAREWELL_PATIENCE, reader.drain()).await;
    }
    end.map(|_| ())
}

async fn closed_at_once(mut closing: watch::Receiver<Closing>) {
    if closing.wait_for(|closing| *closing == Closing::AtOnce).await.is_err() {
        std::future::pending::<()>().await;
    }
}
