//! CHAP (RFC 1994, RFC 7143 section 12.1.3): proof that the other side knows a secret.

use std::fmt;

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

/// Bytes of the challenges this target sends.
const CHALLENGE_BYTES: usize = 32;
/// Most bytes of a challenge that the RFC allows.
const MAX_CHALLENGE_BYTES: usize = 1024;
/// 96 bits: what the RFC demands where the connection is not encrypted otherwise.
pub(super) const MIN_SECRET_BYTES: usize = 12;

/// A name and the secret that goes with it. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ChapAccount {
    pub name: String,
    pub secret: String,
}

impl fmt::Debug for ChapAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ChapAccount").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How answers are computed; the numbers are IANA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5 = 5,
    Sha1 = 6,
    Sha256 = 7,
}

impl Algorithm {
    /// The best of the algorithms in the initiator's list that is known here.
    pub(super) fn best_of(list: &str) -> Option<Self> {
        let offered: Vec<_> = list.split(',').collect();
        let (md5, sha1, sha256) = ("5", "6", "7");
        [(Self::Sha256, sha256), (Self::Sha1, sha1), (Self::Md5, md5)]
            .into_iter()
            .find(|(_, number)| offered.contains(number))
            .map(|(algorithm, _)| algorithm)
    }

    pub(super) fn number(self) -> String {
        (self as u8).to_string()
    }

    /// The answer to a challenge: a digest of identifier, secret and challenge.
    pub(super) fn answer(self, identifier: u8, secret: &str, challenge: &[u8]) -> Vec<u8> {
        fn digest<D: Digest>(parts: [&[u8]; 3]) -> Vec<u8> {
            let mut digest = D::new();
            for part in parts {
                digest.update(part);
            }
            digest.finalize().to_vec()
        }
        let parts = [&[identifier], secret.as_bytes(), challenge];
        match self {
            Self::Md5 => digest::<Md5>(parts),
            Self::Sha1 => digest::<Sha1>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
        }
    }
}

/// A challenge of this target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) algorithm: Algorithm,
    pub(super) identifier: u8,
    pub(super) bytes: [u8; CHALLENGE_BYTES],
}

impl Challenge {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, identifier: rand::random(), bytes: rand::random() }
    }

    /// Whether `answer` proves knowledge of the secret. Takes the same time wherever it differs.
    pub(super) fn is_answered_by(&self, answer: &[u8], secret: &str) -> bool {
        let expected = self.algorithm.answer(self.identifier, secret, &self.bytes);
        expected.len() == answer.len()
            && expected.iter().zip(answer).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
    }
}

/// A binary value of a key: `0x` and hexadecimal digits, or `0b` and base64.
pub(super) fn binary(value: &str) -> Option<Vec<u8>> {
    let prefix = value.get(..2)?;
    let digits = &value[2..];
    let bytes = match prefix {
        "0x" | "0X" => of_hexadecimal(digits)?,
        "0b" | "0B" => of_base64(digits)?,
        _ => return None,
    };
    (bytes.len() <= MAX_CHALLENGE_BYTES).then_some(bytes)
}

/// The same, to be sent.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
}

fn of_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        digits.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    // An odd number of digits has a leading zero that was left out.
    let odd = digits.len() % 2;
    let first = digits[..odd].iter().copied();
    Some(first.chain(digits[odd..].chunks_exact(2).map(|pair| pair[0] << 4 | pair[1])).collect())
}

fn of_base64(digits: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = digits.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|&letter| letter == digit)? as u32;
        bits = bits << 6 | value;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_values_come_in_two_forms() {
        assert_eq!(binary("0x01fF"), Some(vec![1, 0xff]));
        assert_eq!(binary("0x1ff"), Some(vec![1, 0xff]));
        assert_eq!(binary("0bYXVyb2Nocw=="), Some(b"aurochs".to_vec()));
        assert_eq!(hexadecimal(&[1, 0xff]), "0x01ff");
        for wrong in ["", "0", "01ff", "0xzz", "0b!", "é"] {
            assert_eq!(binary(wrong), None, "{wrong}");
        }
        assert_eq!(binary(&hexadecimal(&[0; MAX_CHALLENGE_BYTES + 1])), None);
    }

    #[test]
    fn the_answer_is_the_digest_of_identifier_secret_and_challenge() {
        let answer = Algorithm::Md5.answer(1, "secretsecret", &[2; 16]);
        assert_eq!(answer, Md5::digest([&[1], b"secretsecret".as_slice(), &[2; 16]].concat()).to_vec());
        let challenge = Challenge::new(Algorithm::Sha256);
        let right = Algorithm::Sha256.answer(challenge.identifier, "secretsecret", &challenge.bytes);
        assert!(challenge.is_answered_by(&right, "secretsecret"));
        assert!(!challenge.is_answered_by(&right, "secretsecreT"));
        assert!(!challenge.is_answered_by(&right[1..], "secretsecret"));
        assert!(!challenge.is_answered_by(&[], "secretsecret"));
    }

    #[test]
    fn the_strongest_algorithm_in_the_list_is_taken() {
        assert_eq!(Algorithm::best_of("5,6,7"), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::best_of("5"), Some(Algorithm::Md5));
        assert_eq!(Algorithm::best_of("8,9"), None);
    }

    #[test]
    fn secrets_are_not_printed() {
        let account = ChapAccount { name: "me".into(), secret: "very secret thing".into() };
        assert!(!format!("{account:?}").contains("very"));
    }
}
