//! Browser sessions: a random token in a cookie, its hash in SQLite.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use sha2::{Digest, Sha256};
use sqlx::{Row, SqlitePool};

/// Name of the cookie.
pub const COOKIE: &str = "aurochs-session";
/// A session that nobody used for this long is over.
const IDLE: Duration = Duration::from_secs(12 * 60 * 60);
/// A session is over after this long, used or not.
const AGE_MAXIMUM: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// `seen_at` is written at most this often: a read must not become a write each time.
const SEEN_INTERVAL: Duration = Duration::from_secs(60);

/// Seconds since 1970.
type UnixSeconds = i64;

/// The secret of a session, 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// What is kept of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A session that is still good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub user: String,
    pub password_mark: PasswordMark,
}

/// Fingerprint of a user's password hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordMark([u8; 32]);

impl PasswordMark {
    #[must_use]
    pub fn of(password_hash: &str) -> Self {
        Self(Sha256::digest(password_hash).into())
    }

    /// As it was stored. What has another length fits no hash.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.try_into().unwrap_or_default())
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Token {
    /// A new random one, from the operating system's own source.
    pub fn random() -> Result<Self, rand::rand_core::OsError> {
        let mut bytes = [0; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes)?;
        Ok(Self(bytes))
    }

    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }

    /// The token in a request's cookies.
    #[must_use]
    pub fn from_cookies(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies.flat_map(|value| value.split(';')).find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            let bytes = (name == COOKIE).then(|| URL_SAFE_NO_PAD.decode(value).ok())??;
            bytes.try_into().ok().map(Self)
        })
    }

    /// `Set-Cookie`. Without a path the browser takes the directory of the login address, which is right under every
    /// prefix.
    #[must_use]
    pub fn set_cookie(&self, secure: bool) -> HeaderValue {
        let value = URL_SAFE_NO_PAD.encode(self.0);
        cookie(&value, AGE_MAXIMUM, secure)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// `Set-Cookie` that makes the browser forget the token.
#[must_use]
pub fn forget_cookie(secure: bool) -> HeaderValue {
    cookie("", Duration::ZERO, secure)
}

fn cookie(value: &str, age: Duration, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Max-Age={}; HttpOnly; SameSite=Strict{secure}", age.as_secs());
    // Base64 and constants are always a valid header.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The table of sessions.
#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    pool: SqlitePool,
}

impl Sessions {
    pub(crate) const fn new(pool: SqlitePool) -> Self {
        Self { pool }
    }

    pub(crate) async fn begin(&self, token: TokenHash, session: &Session, now: UnixSeconds) -> sqlx::Result<()> {
        self.sweep(now).await?;
        sqlx::query(
            "INSERT INTO sessions (token_hash, user, password_mark, created_at, seen_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&token.0[..])
        .bind(&session.user)
        .bind(&session.password_mark.0[..])
        .bind(now)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The session of a token, unless it is over.
    pub(crate) async fn find(&self, token: TokenHash, now: UnixSeconds) -> sqlx::Result<Option<Session>> {
        let row = sqlx::query("SELECT user, password_mark, created_at, seen_at FROM sessions WHERE token_hash = ?")
            .bind(&token.0[..])
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (created_at, seen_at): (UnixSeconds, UnixSeconds) = (row.try_get("created_at")?, row.try_get("seen_at")?);
        if now - seen_at >= seconds(IDLE) || now - created_at >= seconds(AGE_MAXIMUM) {
            // Over is over, also when the row has to stay for a while.
            if let Err(error) = self.end(token).await {
                tracing::warn!(%error, "a session that is over could not be removed");
            }
            return Ok(None);
        }
        if now - seen_at >= seconds(SEEN_INTERVAL) {
            let query =
                sqlx::query("UPDATE sessions SET seen_at = ? WHERE token_hash = ?").bind(now).bind(&token.0[..]);
            // A session that was found is good, whether or not its use can be noted: a full disk logs nobody out.
            if let Err(error) = query.execute(&self.pool).await {
                tracing::warn!(%error, "the use of a session could not be noted");
            }
        }
        let mark: Vec<u8> = row.try_get("password_mark")?;
        let Ok(mark) = mark.try_into() else { return Ok(None) };
        Ok(Some(Session { user: row.try_get("user")?, password_mark: PasswordMark(mark) }))
    }

    pub(crate) async fn end(&self, token: TokenHash) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM sessions WHERE token_hash = ?").bind(&token.0[..]).execute(&self.pool).await?;
        Ok(())
    }

    /// Removes what is over; the table stays as large as the number of people.
    async fn sweep(&self, now: UnixSeconds) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM sessions WHERE seen_at <= ? OR created_at <= ?")
            .bind(now - seconds(IDLE))
            .bind(now - seconds(AGE_MAXIMUM))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

fn seconds(duration: Duration) -> UnixSeconds {
    UnixSeconds::try_from(duration.as_secs()).unwrap_or(UnixSeconds::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sessions() -> Sessions {
        // One connection: every connection to :memory: is a database of its own.
        let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(include_str!("../../../migrations/0002_sessions.sql")).execute(&pool).await.unwrap();
        Sessions::new(pool)
    }

    fn ann() -> Session {
        Session { user: "ann".to_owned(), password_mark: PasswordMark::of("$2y$…") }
    }

    #[tokio::test]
    async fn a_session_lives_while_it_is_used() {
        let sessions = sessions().await;
        let token = Token::random().unwrap().hash();
        sessions.begin(token, &ann(), 1000).await.unwrap();
        let hour = 3600;
        for hours in (0..7 * 24).step_by(11) {
            assert_eq!(sessions.find(token, 1000 + hours * hour).await.unwrap(), Some(ann()), "{hours}");
        }
        assert_eq!(sessions.find(token, 1000 + 7 * 24 * hour).await.unwrap(), None, "seven days are the end");
    }

    #[tokio::test]
    async fn a_database_that_takes_no_writes_logs_nobody_out() {
        let sessions = sessions().await;
        let token = Token::random().unwrap().hash();
        sessions.begin(token, &ann(), 0).await.unwrap();
        sqlx::query("PRAGMA query_only = ON").execute(&sessions.pool).await.unwrap();
        assert!(sessions.end(token).await.is_err(), "nothing can be written");
        assert_eq!(sessions.find(token, 3600).await.unwrap(), Some(ann()));
        assert_eq!(sessions.find(token, 13 * 3600).await.unwrap(), None, "over is over");
    }

    #[tokio::test]
    async fn an_idle_session_ends_and_so_does_one_logged_out() {
        let sessions = sessions().await;
        let idle = Token::random().unwrap().hash();
        sessions.begin(idle, &ann(), 0).await.unwrap();
        assert_eq!(sessions.find(idle, 12 * 3600).await.unwrap(), None);
        let ended = Token::random().unwrap().hash();
        sessions.begin(ended, &ann(), 0).await.unwrap();
        sessions.end(ended).await.unwrap();
        assert_eq!(sessions.find(ended, 1).await.unwrap(), None);
    }

    #[test]
    fn cookies_there_and_back() {
        let token = Token::random().unwrap();
        let set = token.set_cookie(true).to_str().unwrap().to_owned();
        for flag in ["HttpOnly", "SameSite=Strict", "Secure"] {
            assert!(set.contains(flag), "{set}");
        }
        assert!(!set.contains("Path"), "{set}");
        assert!(!token.set_cookie(false).to_str().unwrap().contains("Secure"));
        let mut headers = HeaderMap::new();
        let pair = set.split(';').next().unwrap();
        headers.insert(header::COOKIE, format!("other=1; {pair}").parse().unwrap());
        assert_eq!(Token::from_cookies(&headers), Some(token));
        headers.insert(header::COOKIE, format!("{COOKIE}=nonsense").parse().unwrap());
        assert_eq!(Token::from_cookies(&headers), None);
    }
}
