//! One client's WebSocket: passes messages on, notices when either side or the login is gone.

use std::sync::Arc;
use std::time::Duration;

use aurochs_api::live::LiveMessage;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::Live;
use super::everything::{everything, packed};
use super::follow::Followed;
use super::hub::{Form, Told, text};
use super::upgrade::WebSocket;
use crate::auth::session::TokenHash;
use crate::auth::{Auth, Proof, User};
use crate::web::pieces;

/// A sign of life is sent, and the login checked, this often.
pub(crate) const ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// A client that does not take a frame for this long is gone. While it takes one after the other it is only slow.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that does not take a whole message for this long is gone, too: it keeps the message's memory.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Who takes at least so much a second of everything gets all of it, however long it is: given up half-way, a slow client
/// would begin again for ever.
const RATE_MINIMUM_BYTES: usize = 64 << 10;
/// A text is sent in frames of this size, so that no client has more of it in its buffers.
const FRAME_BYTES: usize = 128 << 10;

/// A WebSocket of a user, with what closes it.
pub(crate) struct Client {
    socket: WebSocket,
    user: User,
    auth: Auth,
    ended: broadcast::Receiver<TokenHash>,
    alive: Interval,
}

/// What happened on the client's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Time for a sign of life.
    Alive,
    /// The client said something. Its length is bounded by the connection.
    Said(Utf8Bytes),
    /// The socket is closed, by either side.
    Closed,
}

impl Client {
    pub(crate) fn new(socket: WebSocket, user: User, auth: Auth) -> Self {
        let ended = auth.ended_sessions();
        let mut alive = interval_at(Instant::now() + ALIVE_INTERVAL, ALIVE_INTERVAL);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { socket, user, auth, ended, alive }
    }

    /// Sends a text, however long; false when the client is gone.
    pub(crate) async fn send(&mut self, text: Utf8Bytes) -> bool {
        self.send_within(Data::Text, text.into(), MESSAGE_TIMEOUT).await
    }

    /// The same with a patience that grows with the message.
    async fn send_everything(&mut self, kind: Data, message: Bytes) -> bool {
        let seconds = (message.len() / RATE_MINIMUM_BYTES) as u64;
        self.send_within(kind, message, MESSAGE_TIMEOUT + Duration::from_secs(seconds)).await
    }

    async fn send_within(&mut self, mut kind: Data, mut rest: Bytes, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let frame = rest.split_to(rest.len().min(FRAME_BYTES));
            let frame = Message::Frame(Frame::message(frame, OpCode::Data(kind), rest.is_empty()));
            let sent = tokio::time::timeout_at(deadline, self.send_message(frame)).await;
            if sent != Ok(true) || rest.is_empty() {
                return sent == Ok(true);
            }
            kind = Data::Continue;
        }
    }

    /// Asks for a sign of life; false when the client is gone.
    pub(crate) async fn ping(&mut self) -> bool {
        self.send_message(Message::Ping(Bytes::new())).await
    }

    async fn send_message(&mut self, message: Message) -> bool {
        matches!(tokio::time::timeout(SEND_TIMEOUT, self.socket.send(message)).await, Ok(Ok(())))
    }

    /// Waits for something to do. Safe to cancel.
    pub(crate) async fn event(&mut self) -> Event {
        loop {
            let log_out = tokio::select! {
                _ = self.alive.tick() => !self.auth.is_still_in(&self.user).await,
                token = self.ended.recv() => match token {
                    Ok(token) => {
                        if self.user.proof != Proof::Session(token) {
                            continue;
                        }
                        true
                    }
                    Err(RecvError::Lagged(_)) => !self.auth.is_still_in(&self.user).await,
                    Err(RecvError::Closed) => return Event::Closed,
                },
                message = self.socket.next() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Event::Closed,
                    Some(Ok(Message::Text(said))) => return Event::Said(said),
                    Some(Ok(_)) => continue,
                },
            };
            if !log_out {
                return Event::Alive;
            }
            let frame = CloseFrame { code: CloseCode::Policy, reason: Utf8Bytes::from_static("logged out") };
            self.send_message(Message::Close(Some(frame))).await;
            return Event::Closed;
        }
    }
}

/// Everything that was told, as it goes over the wire in this form; None when the manager ends.
async fn write(told: Vec<Arc<Told>>, form: Form, pieces: pieces::Cache) -> Option<Bytes> {
    let written = tokio::task::spawn_blocking(move || match form {
        Form::Text => everything(&told).into(),
        Form::Packed => packed(&told, &pieces),
    });
    written.await.ok()
}

/// Serves `/v1/ws/live` until one side is gone.
pub(crate) async fn run(mut client: Client, live: Live, mut followed: Followed, form: Form) {
    let kind = match form {
        Form::Text => Data::Text,
        Form::Packed => Data::Binary,
    };
    'everything: loop {
        // The turn is for making the text. Sending it takes as long as the client needs, and others don't wait for that;
        // what is bounded instead is how much of such texts there is.
        let room = live.room(form).await;
        let turn = live.turn().await;
        let (told, mut messages) = live.join();
        let Some(whole) = write(told, form, live.pieces()).await else { return };
        drop(turn);
        live.note_length(form, whole.len());
        if !client.send_everything(kind, whole).await {
            return;
        }
        drop(room);
        loop {
            let message = tokio::select! {
                event = client.event() => match event {
                    Event::Alive => text(&LiveMessage::Alive),
                    Event::Said(said) => match followed.follow(&said) {
                        Some(answer) => text(&answer),
                        None => continue,
                    },
                    Event::Closed => return,
                },
                stale = followed.stale() => text(&stale),
                message = messages.recv() => match message {
                    Ok(message) => message,
                    // Too slow: what it missed is gone, so it gets everything again.
                    Err(RecvError::Lagged(_)) => continue 'everything,
                    Err(RecvError::Closed) => return,
                },
            };
            if !client.send(message).await {
                return;
            }
        }
    }
}
