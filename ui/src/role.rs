//! What the user may do. Viewers are offered nothing that the server would refuse; the server decides all the same.

use std::sync::OnceLock;

use aurochs_api::session::{Role, Session};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api;

static SESSION: OnceLock<ArcRwSignal<Option<Session>>> = OnceLock::new();

fn signal() -> &'static ArcRwSignal<Option<Session>> {
    SESSION.get_or_init(|| ArcRwSignal::new(None))
}

/// Asks who is logged in.
pub(crate) fn start() {
    spawn_local(async move {
        // A failure shows as the state of the live stream already.
        if let Ok(session) = api::session().await {
            signal().set(Some(session));
        }
    });
}

/// Who is logged in; none until it is known. Runs its caller again when it is.
pub(crate) fn session() -> Option<Session> {
    signal().get()
}

/// Whether the user may change things: false until it is known.
pub(crate) fn may_write() -> bool {
    signal().with(|session| session.as_ref().is_some_and(|session| session.role == Role::Admin))
}

/// Whether the user may see what only administrators see.
pub(crate) fn is_admin() -> bool {
    may_write()
}
