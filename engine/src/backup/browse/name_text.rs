//! Names of files as text that leads back to them.
//!
//! Names are bytes, and most of them are UTF-8. A byte that is not becomes one character of Unicode's private area, U+EF80 to
//! U+EFFF, by its value; a character of that area itself is written byte by byte in the same way. So two names have two
//! texts, and a text that was shown finds the very name it was shown for.

/// What a byte above 127 is added to.
const BASE: u32 = 0xef00;
const FIRST: char = '\u{ef80}';
const LAST: char = '\u{efff}';

/// The text of a name, or of a path.
#[must_use]
pub fn shown(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    let alone = |byte: u8| char::from_u32(BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER);
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if (FIRST..=LAST).contains(&character) {
                text.extend(character.encode_utf8(&mut [0; 4]).bytes().map(alone));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(alone));
    }
    text
}

/// The name, or path, that has this text.
#[must_use]
pub fn meant(text: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len());
    for character in text.chars() {
        if (FIRST..=LAST).contains(&character) {
            name.extend(u8::try_from(u32::from(character) - BASE));
        } else {
            name.extend(character.encode_utf8(&mut [0; 4]).bytes());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_has_a_text_of_its_own_that_leads_back_to_it() {
        let names: [&[u8]; 9] = [
            b"plain",
            "ä/\u{1f600}".as_bytes(),
            b"caf\xe9",
            b"caf\xe8",
            b"\xff\xfe/\x80",
            b"\xc3",
            "\u{ef80}".as_bytes(),
            "\u{efff}x\u{ee80}".as_bytes(),
            b"\xee\xbe",
        ];
        let mut texts = HashSet::new();
        for name in names {
            let text = shown(name);
            assert_eq!(meant(&text), name, "{text:?}");
            assert!(texts.insert(text), "{name:?}");
        }
        assert_eq!(shown("ä".as_bytes()), "ä");
        for byte in 0..=u8::MAX {
            assert_eq!(meant(&shown(&[byte, b'a'])), [byte, b'a']);
        }
    }
}
