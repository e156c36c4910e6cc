//! How our own page shows that it opens a WebSocket, behind a proxy that changes `Host`.
//!
//! Of a WebSocket a browser says where its page comes from by `Origin` alone, and `kubectl proxy` or an nginx without
//! `proxy_set_header Host` leave nothing that it could be compared with. Our page knows what another site's page can't read:
//! the answer of `GET /v1/session` has a proof, and the page repeats it in the address of the stream (`?proof=`). It is a keyed
//! hash of what the user is logged in by, so that nobody can use another one's; the key lives as long as the process.

use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{Proof, User};

/// Word in the query of a WebSocket's address.
const WORD: &str = "proof";

/// Makes and knows proofs.
pub(crate) struct PageProof {
    key: [u8; 32],
}

impl PageProof {
    pub(crate) fn new() -> Self {
        Self { key: rand::random() }
    }

    /// What this user's pages have to say.
    pub(crate) fn of(&self, user: &User) -> String {
        URL_SAFE_NO_PAD.encode(self.hash(user).finalize().into_bytes())
    }

    /// Whether the request says it.
    pub(crate) fn is_said(&self, user: &User, parts: &Parts) -> bool {
        let said = word_of(parts).and_then(|word| URL_SAFE_NO_PAD.decode(word).ok());
        said.is_some_and(|said| self.hash(user).verify_slice(&said).is_ok())
    }

    fn hash(&self, user: &User) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        let (kind, secret) = match &user.proof {
            Proof::Session(token) => (b's', token.bytes()),
            Proof::Password(mark) => (b'p', mark.bytes()),
            Proof::Token(mark) => (b't', mark.bytes()),
        };
        mac.update(&[kind]);
        mac.update(secret);
        mac.update(user.name.as_bytes());
        mac
    }
}

/// Whether the request says a proof at all, right or wrong.
pub(crate) fn is_tried(parts: &Parts) -> bool {
    word_of(parts).is_some()
}

fn word_of(parts: &Parts) -> Option<&str> {
    let words = parts.uri.query()?.split('&');
    words
        .filter_map(|word| word.split_once('='))
        .find_map(|(name, value)| (name == WORD && !value.is_empty()).then_some(value))
}

#[cfg(test)]
mod tests {
    use aurochs_api::session::Role;

    use super::super::session::PasswordMark;
    use super::*;

    fn user(name: &str, hash: &str) -> User {
        User { name: name.to_owned(), role: Role::Viewer, proof: Proof::Password(PasswordMark::of(hash)) }
    }

    fn asks(query: &str) -> Parts {
        axum::http::Request::get(format!("/v1/ws/live{query}")).body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_proof_is_one_users_of_one_process() {
        let (proofs, ann) = (PageProof::new(), user("ann", "hash"));
        let own = proofs.of(&ann);
        assert!(proofs.is_said(&ann, &asks(&format!("?x=1&proof={own}"))));
        for other in [user("eve", "hash"), user("ann", "other hash")] {
            assert!(!proofs.is_said(&other, &asks(&format!("?proof={own}"))));
        }
        assert!(!PageProof::new().is_said(&ann, &asks(&format!("?proof={own}"))), "another process has another key");
        for said in ["", "?proof=", "?proof=%20", "?proofs=x", &format!("?proof={own}A")] {
            assert!(!proofs.is_said(&ann, &asks(said)), "{said}");
        }
    }
}
