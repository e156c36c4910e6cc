//! Tokens of service accounts: the CSI driver and scripts in the cluster have one, and no password.
//!
//! The API server says whose a token is (`TokenReview`), and what its owner may do (`SubjectAccessReview`): with the resource
//! `api` of group `longhorn.io` in the manager's namespace, which exists for this question alone. Who may `update` it is an
//! admin here, who may `get` it a viewer; a role in the cluster says so, and nothing in the manager's own files.
//!
//! An answer is believed for a minute, so that a driver that asks often costs the API server nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aurochs_api::session::Role;
use http::Request;
use kube::Client;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::resources::GROUP;

/// The resource that stands for the manager's API.
const RESOURCE: &str = "api";
/// How long an answer is believed: after this a token that was taken away is useless.
const BELIEVED: Duration = Duration::from_secs(60);
/// How long what stays open (a WebSocket) may go on without another request of its owner.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// A token that was refused is not asked for again before this.
const REFUSED: Duration = Duration::from_secs(10);
/// More tokens than this at a time are nobody's: they are asked for again.
const ENTRIES_MAXIMUM: usize = 1024;
/// Longer than any token.
const TOKEN_LENGTH_MAXIMUM: usize = 16 << 10;
/// Questions to the API server at the same time.
const QUESTIONS_AT_ONCE: usize = 4;
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// What a token is remembered by. It says nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenMark([u8; 32]);

impl TokenMark {
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Who sent a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `system:serviceaccount:longhorn-system:longhorn-service-account`
    pub name: String,
    /// None for one who may not even look.
    pub role: Option<Role>,
    pub mark: TokenMark,
}

/// Why nobody knows whose a token is.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(
        "the API server refuses to say whose a token is: {0}; the manager's service account needs system:auth-delegator"
    )]
    Refused(String),
    #[error("the API server does not say whose a token is: {0}")]
    Silent(String),
}

/// The way to the API server, and what it said lately. Clones share it.
#[derive(Clone)]
pub struct Tokens {
    client: Client,
    namespace: Arc<str>,
    known: Arc<Mutex<HashMap<TokenMark, Known>>>,
    turns: Arc<Semaphore>,
}

struct Known {
    /// None for a token that is no account's.
    account: Option<Account>,
    asked: Instant,
}

impl Tokens {
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        let turns = Arc::new(Semaphore::new(QUESTIONS_AT_ONCE));
        Self { client, namespace: namespace.into(), known: Arc::default(), turns }
    }

    /// Whose the token is; none for one that is no account's.
    pub async fn check(&self, token: &str) -> Result<Option<Account>, TokenError> {
        if token.is_empty() || token.len() > TOKEN_LENGTH_MAXIMUM {
            return Ok(None);
        }
        let mark = TokenMark(Sha256::digest(token).into());
        if let Some(account) = self.remembered(mark) {
            return Ok(account);
        }
        let Ok(_turn) = self.turns.acquire().await else { return Err(TokenError::Silent("the manager ends".into())) };
        // Many requests of one driver may have waited together: the first has asked for all.
        if let Some(account) = self.remembered(mark) {
            return Ok(account);
        }
        let account = self.ask(token, mark).await?;
        self.remember(mark, account.clone());
        Ok(account)
    }

    /// Whether a token that was right has been so lately enough for what stays open.
    #[must_use]
    pub fn vouch_for(&self, mark: TokenMark) -> bool {
        let known = self.lock();
        known.get(&mark).is_some_and(|known| {
            known.asked.elapsed() < REMEMBERED && known.account.as_ref().is_some_and(|account| account.role.is_some())
        })
    }

    async fn ask(&self, token: &str, mark: TokenMark) -> Result<Option<Account>, TokenError> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
        let answer = self.post("/apis/authentication.k8s.io/v1/tokenreviews", &review).await?;
        let Some(user) = authenticated(&answer) else { return Ok(None) };
        let role = if self.may(user, "update").await? {
            Some(Role::Admin)
        } else if self.may(user, "get").await? {
            Some(Role::Viewer)
        } else {
            None
        };
        Ok(Some(Account { name: user["username"].as_str().unwrap_or_default().to_owned(), role, mark }))
    }

    async fn may(&self, user: &Value, verb: &str) -> Result<bool, TokenError> {
        let review = access_review(user, &self.namespace, verb);
        let answer = self.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await?;
        Ok(answer["status"]["allowed"] == true)
    }

    async fn post(&self, address: &str, body: &Value) -> Result<Value, TokenError> {
        let request = Request::post(address).header(http::header::CONTENT_TYPE, "application/json");
        let request = request.body(body.to_string().into_bytes());
        let request = request.map_err(|error| TokenError::Silent(error.to_string()))?;
        // As text: where JSON is asked for, what can't be read is logged, and it has the token in it.
        match timeout(ANSWER_PATIENCE, self.client.request_text(request)).await {
            Ok(Ok(answer)) => {
                serde_json::from_str(&answer).map_err(|_| TokenError::Silent("its answer can't be read".into()))
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => Err(TokenError::Refused(status.message.clone())),
            // Not the whole of it: it might repeat what was sent.
            Ok(Err(kube::Error::Api(status))) => Err(TokenError::Silent(format!("it answers {}", status.code))),
            Ok(Err(_)) => Err(TokenError::Silent("the connection failed".into())),
            Err(elapsed) => Err(TokenError::Silent(elapsed.to_string())),
        }
    }

    /// The answer, if there was one lately.
    fn remembered(&self, mark: TokenMark) -> Option<Option<Account>> {
        let known = self.lock();
        let found = known.get(&mark)?;
        let is_fresh = found.asked.elapsed() < if found.account.is_some() { BELIEVED } else { REFUSED };
        is_fresh.then(|| found.account.clone())
    }

    fn remember(&self, mark: TokenMark, account: Option<Account>) {
        let mut known = self.lock();
        if known.len() >= ENTRIES_MAXIMUM {
            known.retain(|_, known| known.account.is_some() && known.asked.elapsed() < BELIEVED);
        }
        if known.len() < ENTRIES_MAXIMUM || known.contains_key(&mark) {
            known.insert(mark, Known { account, asked: Instant::now() });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenMark, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The user of a review's answer, if the token is somebody's.
fn authenticated(answer: &Value) -> Option<&Value> {
    let status = &answer["status"];
    let is_somebody =
        status["authenticated"] == true && status["user"]["username"].as_str().is_some_and(|name| !name.is_empty());
    is_somebody.then_some(&status["user"])
}

fn access_review(user: &Value, namespace: &str, verb: &str) -> Value {
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user["username"],
            "uid": user["uid"],
            "groups": user["groups"],
            "extra": user["extra"],
            "resourceAttributes": {"namespace": namespace, "verb": verb, "group": GROUP, "resource": RESOURCE},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_somebody() {
        let user = json!({"username": "system:serviceaccount:a:b", "uid": "u", "groups": ["g"]});
        let answer = |authenticated| json!({"status": {"authenticated": authenticated, "user": user}});
        assert_eq!(authenticated(&answer(true)), Some(&user));
        assert_eq!(authenticated(&answer(false)), None);
        // A refused token's answer has no user at all, and one of nothing is nobody's.
        assert_eq!(authenticated(&json!({"status": {"error": "expired"}})), None);
        assert_eq!(authenticated(&json!({"status": {"authenticated": true, "user": {}}})), None);
    }

    #[test]
    fn what_is_asked_of_the_cluster() {
        let user = json!({"username": "n", "groups": ["g"]});
        let review = access_review(&user, "longhorn-system", "update");
        let wanted =
            json!({"namespace": "longhorn-system", "verb": "update", "group": "longhorn.io", "resource": "api"});
        assert_eq!(review["spec"]["resourceAttributes"], wanted);
        assert_eq!((review["spec"]["user"].clone(), review["spec"]["groups"].clone()), (json!("n"), json!(["g"])));
    }
}
