//! Login: who asks, and may they.
//!
//! 1. [`require`] stands in front of every route but the health check and the login page itself, and writes changes into
//!    the audit log.
//! 2. A browser has a session cookie ([`session`]), a script sends HTTP Basic; both are checked against the users'
//!    file ([`users`]), which says with [`roles`] what they may do.
//!    In a cluster a program may send a service account's token instead ([`crate::cluster::tokens`]).
//! 3. Wrong passwords are slowed down ([`slowdown`]); right ones are remembered for a few minutes ([`verified`]).
//! 4. Requests that another site's page sent in the user's name are refused ([`client`], [`page_proof`]), and so are more than
//!    anybody needs ([`rate`]).

mod changing;
pub(crate) mod client;
mod page_proof;
pub mod proxies;
pub mod rate;
pub mod require;
pub mod roles;
pub mod session;
mod slowdown;
pub mod users;
mod verified;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aurochs_api::session::Role;
use axum::http::StatusCode;
use sqlx::SqlitePool;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, broadcast};

use self::client::Client;
use self::page_proof::PageProof;
use self::proxies::Proxies;
use self::rate::Requests;
use self::session::{PasswordMark, Session, Sessions, Token, TokenHash};
use self::slowdown::Slowdown;
use self::users::{Account, FirstPassword, Users, UsersError, known};
use self::verified::Verified;
use crate::audit::{Act, Audit, Ended};
use crate::cluster::tokens::{TokenMark, Tokens};
use crate::store::sqlite::Sqlite;

pub use self::require::Guard;

/// Passwords checked at the same time: bcrypt is slow on purpose, and the machine has other work.
const CHECKS_AT_ONCE: usize = 2;
/// A login that waits longer than this for its turn is told to come back.
const TURN_WAIT: Duration = Duration::from_secs(10);
/// bcrypt reads 72 bytes; names and passwords far beyond any use are refused before they cost anything.
const CREDENTIAL_LENGTH_MAXIMUM: usize = 256;

/// Who is logged in. An extractor: see [`require`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub role: Role,
    pub proof: Proof,
}

/// How a user showed who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    Session(TokenHash),
    /// Of the password that was right: it may be changed while something stays open.
    Password(PasswordMark),
    /// Of a service account.
    Token(TokenMark),
}

/// Why a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("the user name or the password is wrong")]
    Wrong,
    #[error("too many wrong passwords; the next try is possible in {} s", .0.as_secs() + 1)]
    TooMany(Duration),
    #[error("the token is no service account's of this cluster, or has ended")]
    BadToken,
    #[error("{0} may not use this manager")]
    NoRole(String),
    #[error("too many logins are waiting for their turn")]
    Busy,
    #[error("cannot check the login: {0}")]
    Failed(String),
}

impl From<sqlx::Error> for LoginError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(format!("the table of sessions does not answer: {error}"))
    }
}

/// All that login needs. Clones share it.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    audit: Audit,
    users: Users,
    sessions: Sessions,
    slowdown: Mutex<Slowdown>,
    verified: Mutex<Verified>,
    /// Pairs that were wrong a moment ago.
    refused: Mutex<Verified>,
    page_proof: PageProof,
    requests: Mutex<Requests>,
    turns: Semaphore,
    ended: broadcast::Sender<TokenHash>,
    /// Metrics need no login.
    metrics_open: AtomicBool,
    /// Set once, before anything is served.
    proxies: OnceLock<Proxies>,
    /// Set once, too; only in a cluster.
    tokens: OnceLock<Tokens>,
    pool: SqlitePool,
    /// Held while it is written down what the users' files say.
    remembering: tokio::sync::Mutex<()>,
}

impl Auth {
    /// Opens `DIR/users`, or makes it at the first start; then the password is returned once, to be printed.
    /// Sessions and the audit log are in the database. To be called inside a tokio runtime.
    pub fn open(directory: &Path, sqlite: &Sqlite) -> Result<(Self, Option<FirstPassword>), UsersError> {
        let (users, first) = Users::open(directory)?;
        let inner = Inner {
            audit: Audit::keep(sqlite),
            users,
            sessions: Sessions::new(sqlite.pool()),
            slowdown: Mutex::default(),
            verified: Mutex::new(Verified::new()),
            refused: Mutex::new(Verified::new()),
            page_proof: PageProof::new(),
            requests: Mutex::default(),
            turns: Semaphore::new(CHECKS_AT_ONCE),
            ended: broadcast::channel(64).0,
            metrics_open: AtomicBool::new(false),
            proxies: OnceLock::new(),
            tokens: OnceLock::new(),
            pool: sqlite.pool(),
            remembering: tokio::sync::Mutex::default(),
        };
        Ok((Self(Arc::new(inner)), first))
    }

    /// Tells the audit log what was changed in the users' files while no manager looked, and remembers how they are. Once,
    /// before anything is served.
    pub async fn catch_up(&self) {
        let before = match known::read(&self.0.pool).await {
            Ok(before) => before,
            Err(error) => return tracing::error!(%error, "nobody knows what the users' files said before"),
        };
        // There is none before the first start.
        let news = if before.is_empty() { Vec::new() } else { known::changes(&before, &self.0.users.known()) };
        for change in news {
            let change = format!("changed while no manager looked: {change}");
            tracing::warn!(change, "the users' files");
            if let Err(error) = self.0.audit.record(Act::of_machine("users", &change), Ended::done()).await {
                // It is told at the next start.
                return tracing::error!(%error, "a change of the users' files is not in the audit log");
            }
        }
        self.remember().await;
    }

    /// Looks at the users' files for the last time, so that what the next manager finds changed was changed after this one.
    pub async fn look_at_users(&self) {
        self.remember().await;
    }

    async fn remember(&self) {
        let _turn = self.0.remembering.lock().await;
        let known = self.0.users.known();
        // In this order: what is remembered and was not told would never be.
        self.note_news();
        if let Err(error) = known::write(&self.0.pool, &known).await {
            tracing::warn!(%error, "how the users' files are is not noted; the next start may tell of it again");
        }
    }

    /// What has changed in the users' files comes into the audit log. Whether anything has.
    fn note_news(&self) -> bool {
        let news = self.0.users.news();
        for change in &news {
            self.0.audit.note(Act::of_machine("users", change), Ended::done());
        }
        !news.is_empty()
    }

    /// The log of what users change.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// From now on a client may send so many requests a second.
    pub fn limit_requests(&self, per_second: u32) {
        *lock(&self.0.requests) = Requests::new(per_second);
    }

    /// Takes one request of a client's share; else how long until it may send the next.
    pub(crate) fn take_request(&self, user: Option<&str>, client: &Client) -> Result<(), Duration> {
        lock(&self.0.requests).take(user, client.address, Instant::now())
    }

    /// From now on `/metrics` needs no login: whoever started the manager said so.
    pub fn open_metrics(&self) {
        self.0.metrics_open.store(true, Ordering::Relaxed);
    }

    /// These proxies alone are believed when they say for whom they send a request. Said once.
    pub fn trust_proxies(&self, proxies: Proxies) {
        self.0.proxies.get_or_init(|| proxies);
    }

    /// From now on service accounts of the cluster are let in. Said once.
    pub fn accept_tokens(&self, tokens: Tokens) {
        self.0.tokens.get_or_init(|| tokens);
    }

    /// Whether there is a cluster whose service accounts are let in.
    pub(crate) fn accepts_tokens(&self) -> bool {
        self.0.tokens.get().is_some()
    }

    /// The owner of a service account's token. Outside of a cluster there is none.
    pub(crate) async fn check_token(&self, token: &str) -> Result<User, LoginError> {
        let tokens = self.0.tokens.get().ok_or(LoginError::BadToken)?;
        let account = tokens.check(token).await.map_err(|error| LoginError::Failed(error.to_string()))?;
        let account = account.ok_or(LoginError::BadToken)?;
        let role = account.role.ok_or_else(|| LoginError::NoRole(account.name.clone()))?;
        Ok(User { name: account.name, role, proof: Proof::Token(account.mark) })
    }

    /// Whether a peer is such a proxy.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.0.proxies.get_or_init(Proxies::default).trust(peer)
    }

    /// Whether a path can be reached without login.
    pub(crate) fn is_open(&self, path: &str) -> bool {
        require::OPEN_PATHS.contains(&path) || path == "/metrics" && self.0.metrics_open.load(Ordering::Relaxed)
    }

    /// Checks a password. Right ones of the last minutes pass at once; others wait for their turn and for bcrypt.
    pub async fn check_password(&self, name: &str, password: &str, client: IpAddr) -> Result<User, LoginError> {
        if name.len() > CREDENTIAL_LENGTH_MAXIMUM || password.len() > CREDENTIAL_LENGTH_MAXIMUM {
            return Err(LoginError::Wrong);
        }
        let known = self.account(name);
        let exists = known.is_some();
        let role = known.as_ref().map_or(Role::Viewer, |account| account.role);
        let hash = known.map_or_else(|| self.0.users.hash_of_nobody(), |account| account.hash);
        let mark = lock(&self.0.verified).mark(name, password, &hash);
        let user = User { name: name.to_owned(), role, proof: Proof::Password(PasswordMark::of(&hash)) };
        if lock(&self.0.verified).renew(mark, Instant::now()) {
            return Ok(user);
        }
        self.check_slowdown(name, client)?;
        let _turn = match tokio::time::timeout(TURN_WAIT, self.0.turns.acquire()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) | Err(_) => return Err(LoginError::Busy),
        };
        // Many requests of one script may have waited together: the first has done the work for all, or used up the
        // patience for all.
        if lock(&self.0.verified).renew(mark, Instant::now()) {
            return Ok(user);
        }
        self.check_slowdown(name, client)?;
        let tried = if exists { hash.clone() } else { String::new() };
        if bcrypt_fits(password, hash).await? && exists {
            lock(&self.0.slowdown).succeeded(name, client, Instant::now());
            lock(&self.0.verified).insert(mark, Instant::now());
            return Ok(user);
        }
        lock(&self.0.slowdown).failed(name, client, Instant::now());
        let mut refused = lock(&self.0.refused);
        let mark = refused.mark(name, password, &tried);
        refused.insert(mark, Instant::now());
        drop(refused);
        tracing::warn!(user = self.known_name(name), %client, "wrong user name or password");
        Err(LoginError::Wrong)
    }

    /// Whether this very pair was wrong a moment ago: who sends it again guesses nothing.
    pub(crate) fn was_wrong(&self, name: &str, password: &str) -> bool {
        let hash = self.account(name).map_or_else(String::new, |account| account.hash);
        let mut refused = lock(&self.0.refused);
        let mark = refused.mark(name, password, &hash);
        refused.renew(mark, Instant::now())
    }

    /// What this user's pages say when they open a WebSocket.
    pub(crate) fn page_proof(&self) -> &PageProof {
        &self.0.page_proof
    }

    /// Tells the audit log of a wrong password.
    pub(crate) fn note_wrong(&self, name: &str, client: &Client) {
        let act = Act::of_client("login", client).named(self.known_name(name));
        self.0.audit.note_refusal(act, Ended::of(StatusCode::UNAUTHORIZED, &LoginError::Wrong.to_string()));
    }

    /// The name, if it is a user's. People type passwords where the name belongs, so that others are not repeated.
    fn known_name<'a>(&self, name: &'a str) -> &'a str {
        if self.account(name).is_some() { name } else { "(nobody of that name)" }
    }

    /// The user of this name, by the files as they are now.
    fn account(&self, name: &str) -> Option<Account> {
        let found = self.0.users.find(name);
        if self.note_news() {
            let auth = self.clone();
            tokio::spawn(async move { auth.remember().await });
        }
        found
    }

    fn check_slowdown(&self, name: &str, client: IpAddr) -> Result<(), LoginError> {
        let wait = lock(&self.0.slowdown).wait(name, client, Instant::now());
        if wait.is_zero() { Ok(()) } else { Err(LoginError::TooMany(wait)) }
    }

    /// Checks a password and begins a session.
    pub(crate) async fn log_in(&self, name: &str, password: &str, client: &Client) -> Result<Token, LoginError> {
        let user = self.check_password(name, password, client.address).await?;
        let hash = self.account(name).ok_or(LoginError::Wrong)?.hash;
        let token = Token::random().map_err(|error| LoginError::Failed(error.to_string()))?;
        let written = self.0.audit.record(Act::of_client("login", client).by(&user), Ended::done()).await;
        written.map_err(|error| LoginError::Failed(error.to_string()))?;
        let session = Session { user: user.name, password_mark: PasswordMark::of(&hash) };
        self.0.sessions.begin(token.hash(), &session, unix_now()).await?;
        tracing::info!(user = name, client = %client.address, "logged in");
        Ok(token)
    }

    /// Ends a session; its WebSockets are closed.
    pub(crate) async fn log_out(&self, token: TokenHash) -> Result<(), LoginError> {
        let ended = self.0.sessions.end(token).await;
        // Nobody may be listening.
        let _ = self.0.ended.send(token);
        Ok(ended?)
    }

    /// The user of a session, unless it is over, its user is gone or has another password now.
    pub(crate) async fn check_session(&self, token: TokenHash) -> Result<Option<User>, LoginError> {
        let Some(session) = self.0.sessions.find(token, unix_now()).await? else { return Ok(None) };
        let account = self.account(&session.user);
        if let Some(account) = account.filter(|account| PasswordMark::of(&account.hash) == session.password_mark) {
            return Ok(Some(User { name: session.user, role: account.role, proof: Proof::Session(token) }));
        }
        if let Err(error) = self.log_out(token).await {
            tracing::warn!(%error, user = session.user, "a session of another password could not be removed");
        }
        Ok(None)
    }

    /// Whether a user who was let in may still be: asked from time to time by what stays open.
    pub async fn is_still_in(&self, user: &User) -> bool {
        match user.proof {
            Proof::Session(token) => match self.check_session(token).await {
                Ok(found) => found.is_some(),
                // Nobody said that the session is over: it is looked for again next time.
                Err(error) => {
                    tracing::warn!(%error, user = user.name, "a session could not be checked; it stays open");
                    true
                }
            },
            Proof::Token(mark) => self.0.tokens.get().is_some_and(|tokens| tokens.vouch_for(mark)),
            Proof::Password(mark) => {
                self.account(&user.name).is_some_and(|account| PasswordMark::of(&account.hash) == mark)
            }
        }
    }

    /// Tells which sessions were ended by a logout.
    #[must_use]
    pub fn ended_sessions(&self) -> broadcast::Receiver<TokenHash> {
        self.0.ended.subscribe()
    }
}

async fn bcrypt_fits(password: &str, hash: String) -> Result<bool, LoginError> {
    let password = password.to_owned();
    let check = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash));
    match check.await {
        Ok(Ok(fits)) => Ok(fits),
        Ok(Err(error)) => Err(LoginError::Failed(format!("the stored password hash is damaged: {error}"))),
        Err(error) => Err(LoginError::Failed(error.to_string())),
    }
}

fn unix_now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
