//! CRC-32C as ext4 uses it: the register goes in and comes out as it is, without the inversions of the usual form.

/// Goes on from `register` over `bytes`. ext4 starts with all ones.
pub(super) fn crc(register: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!register, bytes)
}

pub(super) const START: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_usual_one_without_inversions() {
        // RFC 3720 B.4: 32 bytes of zeros.
        assert_eq!(!crc(START, &[0; 32]), 0x8a91_36aa);
        assert_eq!(crc(crc(START, b"ab"), b"cd"), crc(START, b"abcd"));
    }
}
