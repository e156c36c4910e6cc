//! CRC32C digests of headers and data (RFC 7143, section 13.1). The checksum is sent with its least significant byte
//! first.

use super::pdu::padding;

pub(super) const DIGEST_BYTES: usize = 4;

/// Which digests a connection uses, in both directions. During login there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digests {
    pub(super) header: bool,
    pub(super) data: bool,
}

/// The digest of a header with its additional segments.
pub(super) fn of_header(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    crc32c::crc32c(bytes).to_le_bytes()
}

/// The digest of a data segment that is padded with zeros.
pub(super) fn of_data(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    of_padded_data(bytes, &[0; 3][..padding(bytes.len())])
}

/// The digest of a data segment and of the padding that it was sent with.
pub(super) fn of_padded_data(bytes: &[u8], padding: &[u8]) -> [u8; DIGEST_BYTES] {
    crc32c::crc32c_append(crc32c::crc32c(bytes), padding).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7143, appendix A.4 (the examples of RFC 3720, B.4).
    #[test]
    fn examples_of_the_rfc() {
        assert_eq!(of_data(&[0; 32]), [0xaa, 0x36, 0x91, 0x8a]);
        assert_eq!(of_data(&[0xff; 32]), [0x43, 0xab, 0xa8, 0x62]);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(of_header(&ascending), [0x4e, 0x79, 0xdd, 0x46]);
    }

    #[test]
    fn padding_counts() {
        assert_eq!(of_data(&[1, 2, 3, 4, 5]), of_data(&[1, 2, 3, 4, 5, 0, 0, 0]));
    }
}
