//! The security stage: which method, and CHAP in one or both directions (RFC 7143, section 12).
//!
//! ```text
//! Undecided ── AuthMethod=None ──────────────────────────────────────────► Passed
//!     └─────── AuthMethod=CHAP ──► Chosen ── CHAP_A ──► Challenged ── right answer ──► Passed
//! ```
//! Whatever does not fit fails the login: there is no way back.

use super::LoginStatus;
use super::keys::first_of;
use crate::frontend::iscsi::chap::{Algorithm, Challenge, ChapAccount, binary, hexadecimal};
use crate::frontend::iscsi::text::Text;

/// Who may log in, and how the target proves itself in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chap {
    /// What initiators have to know.
    pub initiator: ChapAccount,
    /// What the target answers an initiator's challenge with; without it such a login fails.
    pub target: Option<ChapAccount>,
}

#[derive(Debug)]
pub(super) struct Security<'a> {
    chap: Option<&'a Chap>,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Undecided,
    Chosen,
    Challenged(Challenge),
    Passed,
}

/// The keys of one step.
struct Keys<'a>(&'a [(&'a str, &'a str)]);

impl<'a> Keys<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    fn require(&self, key: &str) -> Result<&'a str, LoginStatus> {
        self.get(key).ok_or(LoginStatus::MissingParameter)
    }
}

/// Whether a key belongs to this stage alone.
pub(super) fn is_security_key(key: &str) -> bool {
    key == "AuthMethod" || key.starts_with("CHAP_")
}

impl<'a> Security<'a> {
    pub(super) fn new(chap: Option<&'a Chap>) -> Self {
        Self { chap, state: State::Undecided }
    }

    /// Whether the initiator may go on. Where nothing is demanded it may from the beginning.
    pub(super) fn is_passed(&self) -> bool {
        match self.state {
            State::Passed => true,
            State::Undecided => self.chap.is_none(),
            State::Chosen | State::Challenged(_) => false,
        }
    }

    /// Takes one step; what is wrong fails the login.
    pub(super) fn step(&mut self, pairs: &[(&str, &str)], answers: &mut Text) -> Result<(), LoginStatus> {
        let keys = Keys(pairs);
        self.state = match (&self.state, self.chap) {
            (State::Undecided, _) => match keys.get("AuthMethod") {
                Some(methods) => self.choose_method(methods, answers)?,
                None => State::Undecided,
            },
            (State::Chosen, _) => challenge(&keys, answers)?,
            (State::Challenged(challenge), Some(chap)) => {
                verify(challenge, chap, &keys, answers)?;
                State::Passed
            }
            (State::Challenged(_), None) | (State::Passed, _) => {
                if pairs.iter().any(|(key, _)| is_security_key(key)) {
                    return Err(LoginStatus::InitiatorError);
                }
                State::Passed
            }
        };
        Ok(())
    }

    fn choose_method(&self, methods: &str, answers: &mut Text) -> Result<State, LoginStatus> {
        let (method, next) = match self.chap {
            Some(_) => ("CHAP", State::Chosen),
            None => ("None", State::Passed),
        };
        first_of(methods, &[method]).ok_or(LoginStatus::AuthenticationFailure)?;
        answers.put("AuthMethod", method);
        Ok(next)
    }
}

fn challenge(keys: &Keys<'_>, answers: &mut Text) -> Result<State, LoginStatus> {
    let algorithm = Algorithm::best_of(keys.require("CHAP_A")?).ok_or(LoginStatus::AuthenticationFailure)?;
    let challenge = Challenge::new(algorithm);
    answers.put("CHAP_A", &algorithm.number());
    answers.put("CHAP_I", &challenge.identifier.to_string());
    answers.put("CHAP_C", &hexadecimal(&challenge.bytes));
    Ok(State::Challenged(challenge))
}

/// Checks the initiator's answer and answers its own challenge, if it has one.
fn verify(challenge: &Challenge, chap: &Chap, keys: &Keys<'_>, answers: &mut Text) -> Result<(), LoginStatus> {
    let failed = LoginStatus::AuthenticationFailure;
    let name = keys.require("CHAP_N")?;
    let answer = binary(keys.require("CHAP_R")?).ok_or(failed)?;
    // Computed before the name is looked at, so that a wrong name takes no less time than a wrong secret.
    let is_answered = challenge.is_answered_by(&answer, &chap.initiator.secret);
    if !is_answered || name != chap.initiator.name {
        return Err(failed);
    }
    let Some(identifier) = keys.get("CHAP_I") else { return Ok(()) };
    let identifier: u8 = identifier.parse().map_err(|_| failed)?;
    let theirs = binary(keys.require("CHAP_C")?).ok_or(failed)?;
    // Our own challenge sent back would let an initiator have us compute the answer that it does not know.
    if theirs == challenge.bytes {
        return Err(failed);
    }
    let account = chap.target.as_ref().ok_or(failed)?;
    answers.put("CHAP_N", &account.name);
    answers.put("CHAP_R", &hexadecimal(&challenge.algorithm.answer(identifier, &account.secret, &theirs)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::iscsi::text::parse;

    const SECRET: &str = "a secret of 20 bytes";

    fn chap() -> Chap {
        let account = |name: &str, secret: &str| ChapAccount { name: name.into(), secret: secret.into() };
        Chap { initiator: account("host", SECRET), target: Some(account("target", "another secret")) }
    }

    fn step(security: &mut Security<'_>, pairs: &[(&str, &str)]) -> Result<Vec<(String, String)>, LoginStatus> {
        let mut answers = Text::default();
        security.step(pairs, &mut answers)?;
        let pairs = parse(answers.bytes()).unwrap();
        Ok(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    fn challenged(security: &mut Security<'_>) -> Challenge {
        assert_eq!(step(security, &[("AuthMethod", "CHAP,None")]).unwrap(), [("AuthMethod".into(), "CHAP".into())]);
        assert!(!security.is_passed());
        assert_eq!(step(security, &[("CHAP_A", "5")]).unwrap()[0], ("CHAP_A".into(), "5".into()));
        match &security.state {
            State::Challenged(challenge) => challenge.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn right_answer(challenge: &Challenge) -> String {
        hexadecimal(&Algorithm::Md5.answer(challenge.identifier, SECRET, &challenge.bytes))
    }

    #[test]
    fn both_sides_prove_themselves() {
        let chap = chap();
        let mut security = Security::new(Some(&chap));
        let answer = right_answer(&challenged(&mut security));
        let pairs = [("CHAP_N", "host"), ("CHAP_R", &answer), ("CHAP_I", "7"), ("CHAP_C", "0x0102")];
        let answers = step(&mut security, &pairs).unwrap();
        assert!(security.is_passed());
        let proof = hexadecimal(&Algorithm::Md5.answer(7, "another secret", &[1, 2]));
        assert_eq!(answers, [("CHAP_N".into(), "target".into()), ("CHAP_R".into(), proof)]);
    }

    #[test]
    fn what_is_wrong_fails_the_login() {
        let chap = chap();
        let failing = |pairs: &dyn Fn(&Challenge) -> Vec<(&'static str, String)>| {
            let mut security = Security::new(Some(&chap));
            let challenge = challenged(&mut security);
            let owned = pairs(&challenge);
            let pairs: Vec<_> = owned.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let outcome = step(&mut security, &pairs);
            assert!(!security.is_passed());
            outcome.unwrap_err()
        };
        let (name, answer) = (|name: &str| ("CHAP_N", name.to_owned()), |answer: String| ("CHAP_R", answer));
        let failure = LoginStatus::AuthenticationFailure;
        assert_eq!(failing(&|_| vec![name("host"), answer("0x00".into())]), failure);
        assert_eq!(failing(&|challenge| vec![name("guest"), answer(right_answer(challenge))]), failure);
        assert_eq!(failing(&|_| vec![name("host")]), LoginStatus::MissingParameter);
        let reflected = failing(&|challenge| {
            let theirs = ("CHAP_C", hexadecimal(&challenge.bytes));
            vec![name("host"), answer(right_answer(challenge)), ("CHAP_I", "1".into()), theirs]
        });
        assert_eq!(reflected, failure);
    }

    #[test]
    fn chap_cannot_be_avoided() {
        let chap = chap();
        let mut security = Security::new(Some(&chap));
        assert!(!security.is_passed());
        assert_eq!(step(&mut security, &[("AuthMethod", "None")]).unwrap_err(), LoginStatus::AuthenticationFailure);
        assert!(Security::new(None).is_passed());
    }
}
