//! Text of the login phase and of text requests: `key=value` pairs, each closed by a zero byte (RFC 7143, section 6.1).

/// Longest key that the RFC allows.
const MAX_KEY_BYTES: usize = 63;
/// Everything an initiator has to say in one go is a few hundred bytes. More is an attack or a mistake.
pub(super) const MAX_TEXT_BYTES: usize = 64 << 10;
/// All keys of RFC 7143 are fewer than 40.
const MAX_PAIRS: usize = 128;

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TextError {
    #[error("the text is no UTF-8")]
    NotUtf8,
    #[error("a part of the text is no key=value pair")]
    NotAPair,
    #[error(
        "the text has a key of more than {MAX_KEY_BYTES} bytes, or more than {MAX_PAIRS} keys, or more than {MAX_TEXT_BYTES} bytes"
    )]
    TooLong,
}

/// Pairs in the order in which they were sent.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(&str, &str)>, TextError> {
    let text = str::from_utf8(bytes).map_err(|_| TextError::NotUtf8)?;
    let mut pairs = Vec::new();
    // Some initiators pad the text with more zeros than one.
    for pair in text.split('\0').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(TextError::NotAPair)?;
        if key.is_empty() {
            return Err(TextError::NotAPair);
        }
        if key.len() > MAX_KEY_BYTES || pairs.len() == MAX_PAIRS {
            return Err(TextError::TooLong);
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// Text that is built up pair by pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(Vec<u8>);

impl Text {
    pub(super) fn put(&mut self, key: &str, value: &str) {
        for part in [key, "=", value, "\0"] {
            self.0.extend_from_slice(part.as_bytes());
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What the target calls a text exchange that goes on. One at a time of a connection, so it needs one name only.
pub(super) const TRANSFER_TAG: u32 = 0;

/// How a text exchange goes on after a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Then {
    #[default]
    End,
    /// The initiator has more to say.
    MoreOfTheQuestion,
    /// The initiator asks for the rest of the answer.
    MoreOfTheAnswer,
}

/// The text of one response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
}

/// An answer that may be longer than what the initiator takes in one PDU.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    rest: Vec<u8>,
    then: Then,
}

impl Unsent {
    pub(super) fn of(text: &Text, then: Then) -> Self {
        Self { rest: text.bytes().to_vec(), then }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// At most so many bytes of it.
    pub(super) fn next_part(&mut self, most: usize) -> Part {
        if self.rest.len() <= most {
            return Part { bytes: std::mem::take(&mut self.rest), then: self.then };
        }
        let rest = self.rest.split_off(most);
        Part { bytes: std::mem::replace(&mut self.rest, rest), then: Then::MoreOfTheAnswer }
    }
}

/// Text that arrives in several PDUs.
#[derive(Debug, Default)]
pub(super) struct Gathering(Vec<u8>);

impl Gathering {
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), TextError> {
        if self.0.len() + bytes.len() > MAX_TEXT_BYTES {
            return Err(TextError::TooLong);
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    /// What came so far; the next text starts anew.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_back_as_they_were_put() {
        let mut text = Text::default();
        text.put("InitiatorName", "iqn.2004-10.com.ubuntu:01:a=b");
        text.put("DataDigest", "");
        assert_eq!(
            parse(text.bytes()),
            Ok(vec![("InitiatorName", "iqn.2004-10.com.ubuntu:01:a=b"), ("DataDigest", "")])
        );
        assert_eq!(parse(b"A=1\0\0\0"), Ok(vec![("A", "1")]));
    }

    #[test]
    fn a_long_answer_is_sent_in_parts() {
        let mut text = Text::default();
        text.put("A", &"x".repeat(7));
        let mut unsent = Unsent::of(&text, Then::End);
        let parts = [unsent.next_part(4), unsent.next_part(4), unsent.next_part(4)];
        assert_eq!(parts.each_ref().map(|part| part.bytes.len()), [4, 4, 2]);
        assert_eq!(parts.each_ref().map(|part| part.then), [Then::MoreOfTheAnswer, Then::MoreOfTheAnswer, Then::End]);
        assert!(unsent.is_empty());
        assert_eq!(parts.map(|part| part.bytes).concat(), text.bytes());
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(parse(b"no pair\0"), Err(TextError::NotAPair));
        assert_eq!(parse(b"=value\0"), Err(TextError::NotAPair));
        assert_eq!(parse(b"A=\xff\0"), Err(TextError::NotUtf8));
        assert_eq!(parse(format!("{}=1\0", "k".repeat(64)).as_bytes()), Err(TextError::TooLong));
        assert_eq!(parse("A=1\0".repeat(129).as_bytes()), Err(TextError::TooLong));
        let mut gathering = Gathering::default();
        gathering.add(&[0; MAX_TEXT_BYTES]).unwrap();
        assert_eq!(gathering.add(&[0]), Err(TextError::TooLong));
    }
}
