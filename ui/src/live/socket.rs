//! The WebSocket: opens it, notices when it is dead, opens it again.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use aurochs_api::live::LiveMessage;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CloseEvent, Event, WebSocket};

use super::{Link, Live, message};
use crate::{address, api, clock};

/// The manager says `alive` every 15 seconds; two of them and some delay may be lost.
const SILENCE_SECONDS: i64 = 40;
const WATCH_EVERY: Duration = Duration::from_secs(5);
const FIRST_DELAY_MILLISECONDS: u32 = 500;
const LONGEST_DELAY_MILLISECONDS: u32 = 15_000;

/// Close codes after which the session has to be looked at first: policy violation, and our own for "log in again".
const CLOSED_BY_LOGIN: [u16; 2] = [1008, 4401];

#[wasm_bindgen]
extern "C" {
    /// Of the page shell: a socket of the live stream, the first one opened before the program came, without a proof. The proof
    /// (`Session::stream_proof`) is needed where a proxy hides that this page asks; empty for none. `take` is called with the
    /// text of each message in their order, unpacked by the browser; no more once the socket has no handler.
    #[wasm_bindgen(js_name = aurochsOpen, catch)]
    fn open_socket(proof: &str, take: &Closure<dyn FnMut(String)>) -> Result<WebSocket, JsValue>;
}

struct Socket {
    live: Live,
    /// Messages that came since the last frame.
    arrived: RefCell<Vec<LiveMessage>>,
    frame_asked: Cell<bool>,
    attempts: Cell<u32>,
    /// Said from the second try on: the first needs no answer before it.
    proof: RefCell<String>,
    heard_at: Cell<i64>,
    current: RefCell<Option<Connection>>,
}

/// A socket with its handlers, which must live as long as it does.
struct Connection {
    socket: WebSocket,
    _on_message: Closure<dyn FnMut(String)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
    _on_error: Closure<dyn FnMut(Event)>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        self.socket.set_onerror(None);
        // Closing a closed socket is allowed; it can only fail for a wrong code.
        _ = self.socket.close();
    }
}

thread_local! {
    static OPENED: RefCell<Weak<Socket>> = const { RefCell::new(Weak::new()) };
}

/// Says something to the manager; false when there is no connection.
pub(super) fn say(text: &str) -> bool {
    let opened = OPENED.with_borrow(Weak::upgrade);
    opened.is_some_and(|opened| {
        let current = opened.current.borrow();
        let ready = current.as_ref().filter(|connection| connection.socket.ready_state() == WebSocket::OPEN);
        ready.is_some_and(|connection| connection.socket.send_with_str(text).is_ok())
    })
}

pub(super) fn open(live: Live) {
    let socket = Rc::new(Socket {
        live,
        arrived: RefCell::default(),
        frame_asked: Cell::new(false),
        attempts: Cell::new(0),
        proof: RefCell::default(),
        heard_at: Cell::new(clock::now()),
        current: RefCell::default(),
    });
    OPENED.set(Rc::downgrade(&socket));
    socket.connect();
    let watched = Rc::clone(&socket);
    set_interval(move || watched.watch(), WATCH_EVERY);
}

impl Socket {
    fn connect(self: &Rc<Self>) {
        self.heard_at.set(clock::now());
        let this = Rc::clone(self);
        let on_message = Closure::<dyn FnMut(String)>::new(move |text: String| this.message(&text));
        let Ok(socket) = open_socket(&self.proof.borrow(), &on_message) else {
            self.lost();
            return;
        };
        let this = Rc::clone(self);
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            if CLOSED_BY_LOGIN.contains(&event.code()) {
                address::reload_for_login();
            }
            this.lost();
        });
        // A close event follows every error; only that one decides.
        let on_error = Closure::<dyn FnMut(Event)>::new(|_: Event| {});
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        socket.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        let connection = Connection { socket, _on_message: on_message, _on_close: on_close, _on_error: on_error };
        self.current.replace(Some(connection));
    }

    fn message(self: &Rc<Self>, text: &str) {
        self.heard_at.set(clock::now());
        match message::read(text) {
            Ok(message) => self.arrived.borrow_mut().push(message),
            Err(error) => {
                leptos::logging::error!("a live message can't be read: {error}");
                return;
            }
        }
        self.attempts.set(0);
        if self.live.link.get_untracked() != Link::Live {
            self.live.link.set(Link::Live);
        }
        // A hidden page gets no frames, and must not gather messages without end.
        if document().hidden() {
            self.apply();
        } else if !self.frame_asked.replace(true) {
            let this = Rc::clone(self);
            request_animation_frame(move || this.apply());
        }
    }

    fn apply(&self) {
        self.frame_asked.set(false);
        let arrived = self.arrived.take();
        self.live.apply(arrived);
    }

    fn watch(self: &Rc<Self>) {
        let silent = clock::now() - self.heard_at.get() > SILENCE_SECONDS;
        if silent && self.current.borrow().is_some() {
            self.lost();
        }
    }

    fn lost(self: &Rc<Self>) {
        let old = self.current.take();
        let this = Rc::clone(self);
        // The handler that called us belongs to the old connection: it is dropped later, not under its own feet.
        set_timeout(
            move || {
                drop(old);
                this.retry();
            },
            Duration::ZERO,
        );
        match self.live.link.get_untracked() {
            Link::Live | Link::Connecting => self.live.link.set(Link::Reconnecting { since: clock::now() }),
            Link::Reconnecting { .. } => {}
        }
    }

    fn retry(self: &Rc<Self>) {
        let attempts = self.attempts.get();
        self.attempts.set(attempts.saturating_add(1));
        let delay = delay(attempts, js_sys::Math::random());
        let this = Rc::clone(self);
        set_timeout(
            move || {
                spawn_local(async move {
                    // A socket that is refused doesn't say why; a call does, and reloads when it is the login.
                    match api::session().await {
                        Ok(session) => {
                            this.proof.replace(session.stream_proof);
                            this.connect();
                        }
                        Err(_) => this.retry(),
                    }
                });
            },
            delay,
        );
    }
}

/// Doubles up to a limit. `chance` (0 to 1) spreads the clients of a manager that was restarted.
fn delay(attempts: u32, chance: f64) -> Duration {
    let full = FIRST_DELAY_MILLISECONDS.saturating_mul(1 << attempts.min(10)).min(LONGEST_DELAY_MILLISECONDS);
    Duration::from_secs_f64(f64::from(full) / 1000.0 * (0.5 + chance.clamp(0.0, 1.0) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backs_off_and_spreads() {
        assert_eq!(delay(0, 1.0), Duration::from_millis(500));
        assert_eq!(delay(0, 0.0), Duration::from_millis(250));
        assert_eq!(delay(3, 1.0), Duration::from_secs(4));
        assert_eq!(delay(u32::MAX, 1.0), Duration::from_secs(15));
    }
}
