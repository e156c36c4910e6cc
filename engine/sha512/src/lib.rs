//! SHA-512 (FIPS 180-4) of four messages at once, each in a lane of vectors.
//!
//! A message alone is bound by the chain of its own additions; four of them take little more time than one. Nothing here knows
//! of backups: whoever has one message, or another processor, takes the `sha2` library. A package of its own, because it is slow
//! beyond use where the compiler does not optimize it. Test: `as_the_library_has_it`.
#![expect(unsafe_code, reason = "vector instructions are called once the processor is known to have them")]

use bytes::Bytes;

/// Messages at once.
pub const LANES: usize = 4;
/// Bytes that are taken in at once, of each message.
const BLOCK: usize = 128;

/// How many messages are worth being hashed together on this processor.
#[must_use]
pub fn at_once() -> usize {
    if vectors::is_available() { LANES } else { 1 }
}

/// The digests of messages that are given in pieces. `None` where this processor cannot do that, or a piece of one is not as long
/// as those of the others, or no multiple of 128 bytes.
#[must_use]
pub fn digests(messages: [&[Bytes]; LANES]) -> Option<[[u8; 64]; LANES]> {
    let [first, others @ ..] = messages;
    let fits = |piece: &Bytes, other: &Bytes| piece.len() == other.len() && piece.len().is_multiple_of(BLOCK);
    let is_alike = |other: &&[Bytes]| {
        first.len() == other.len() && first.iter().zip(*other).all(|(piece, other)| fits(piece, other))
    };
    others.iter().all(is_alike).then(|| vectors::digests(messages)).flatten()
}

#[cfg(not(target_arch = "x86_64"))]
mod vectors {
    use super::{Bytes, LANES};

    pub(super) fn is_available() -> bool {
        false
    }

    pub(super) fn digests(_: [&[Bytes]; LANES]) -> Option<[[u8; 64]; LANES]> {
        None
    }
}

#[cfg(target_arch = "x86_64")]
mod vectors {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi64, _mm256_and_si256, _mm256_extract_epi64, _mm256_or_si256, _mm256_set_epi64x,
        _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_slli_epi64, _mm256_srli_epi64, _mm256_xor_si256,
    };

    use super::{BLOCK, Bytes, LANES};

    /// First 64 bits of the fractional parts of the square roots of the first 8 primes.
    const BEGIN: [u64; 8] = [
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ];

    /// First 64 bits of the fractional parts of the cube roots of the first 80 primes.
    const ROUNDS: [u64; 80] = [
        0x428a_2f98_d728_ae22,
        0x7137_4491_23ef_65cd,
        0xb5c0_fbcf_ec4d_3b2f,
        0xe9b5_dba5_8189_dbbc,
        0x3956_c25b_f348_b538,
        0x59f1_11f1_b605_d019,
        0x923f_82a4_af19_4f9b,
        0xab1c_5ed5_da6d_8118,
        0xd807_aa98_a303_0242,
        0x1283_5b01_4570_6fbe,
        0x2431_85be_4ee4_b28c,
        0x550c_7dc3_d5ff_b4e2,
        0x72be_5d74_f27b_896f,
        0x80de_b1fe_3b16_96b1,
        0x9bdc_06a7_25c7_1235,
        0xc19b_f174_cf69_2694,
        0xe49b_69c1_9ef1_4ad2,
        0xefbe_4786_384f_25e3,
        0x0fc1_9dc6_8b8c_d5b5,
        0x240c_a1cc_77ac_9c65,
        0x2de9_2c6f_592b_0275,
        0x4a74_84aa_6ea6_e483,
        0x5cb0_a9dc_bd41_fbd4,
        0x76f9_88da_8311_53b5,
        0x983e_5152_ee66_dfab,
        0xa831_c66d_2db4_3210,
        0xb003_27c8_98fb_213f,
        0xbf59_7fc7_beef_0ee4,
        0xc6e0_0bf3_3da8_8fc2,
        0xd5a7_9147_930a_a725,
        0x06ca_6351_e003_826f,
        0x1429_2967_0a0e_6e70,
        0x27b7_0a85_46d2_2ffc,
        0x2e1b_2138_5c26_c926,
        0x4d2c_6dfc_5ac4_2aed,
        0x5338_0d13_9d95_b3df,
        0x650a_7354_8baf_63de,
        0x766a_0abb_3c77_b2a8,
        0x81c2_c92e_47ed_aee6,
        0x9272_2c85_1482_353b,
        0xa2bf_e8a1_4cf1_0364,
        0xa81a_664b_bc42_3001,
        0xc24b_8b70_d0f8_9791,
        0xc76c_51a3_0654_be30,
        0xd192_e819_d6ef_5218,
        0xd699_0624_5565_a910,
        0xf40e_3585_5771_202a,
        0x106a_a070_32bb_d1b8,
        0x19a4_c116_b8d2_d0c8,
        0x1e37_6c08_5141_ab53,
        0x2748_774c_df8e_eb99,
        0x34b0_bcb5_e19b_48a8,
        0x391c_0cb3_c5c9_5a63,
        0x4ed8_aa4a_e341_8acb,
        0x5b9c_ca4f_7763_e373,
        0x682e_6ff3_d6b2_b8a3,
        0x748f_82ee_5def_b2fc,
        0x78a5_636f_4317_2f60,
        0x84c8_7814_a1f0_ab72,
        0x8cc7_0208_1a64_39ec,
        0x90be_fffa_2363_1e28,
        0xa450_6ceb_de82_bde9,
        0xbef9_a3f7_b2c6_7915,
        0xc671_78f2_e372_532b,
        0xca27_3ece_ea26_619c,
        0xd186_b8c7_21c0_c207,
        0xeada_7dd6_cde0_eb1e,
        0xf57d_4f7f_ee6e_d178,
        0x06f0_67aa_7217_6fba,
        0x0a63_7dc5_a2c8_98a6,
        0x113f_9804_bef9_0dae,
        0x1b71_0b35_131c_471b,
        0x28db_77f5_2304_7d84,
        0x32ca_ab7b_40c7_2493,
        0x3c9e_be0a_15c9_bebc,
        0x431d_67c4_9c10_0d4c,
        0x4cc5_d4be_cb3e_42b6,
        0x597f_299c_fc65_7e2a,
        0x5fcb_6fab_3ad6_faec,
        0x6c44_198c_4a47_5817,
    ];

    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("avx2")
    }

    pub(super) fn digests(messages: [&[Bytes]; LANES]) -> Option<[[u8; 64]; LANES]> {
        // SAFETY: the processor has what the function is compiled for.
        is_available().then(|| unsafe { hash(messages) })
    }

    /// Pieces are as [`super::digests`] wants them.
    #[target_feature(enable = "avx2")]
    fn hash(messages: [&[Bytes]; LANES]) -> [[u8; 64]; LANES] {
        let mut state = BEGIN.map(|word| all(word));
        let mut length: u128 = 0;
        for piece in 0..messages[0].len() {
            let blocks = messages.map(|message| message[piece].as_chunks::<BLOCK>().0);
            length += messages[0][piece].len() as u128;
            for number in 0..blocks[0].len() {
                take_in(&mut state, blocks.map(|blocks| &blocks[number]));
            }
        }
        let mut end = [0; BLOCK];
        end[0] = 0x80;
        end[BLOCK - 16..].copy_from_slice(&(length * 8).to_be_bytes());
        take_in(&mut state, [&end; LANES]);
        let mut digests = [[0; 64]; LANES];
        for (word, place) in state.into_iter().zip((0..64).step_by(8)) {
            let lanes = [
                _mm256_extract_epi64::<0>(word),
                _mm256_extract_epi64::<1>(word),
                _mm256_extract_epi64::<2>(word),
                _mm256_extract_epi64::<3>(word),
            ];
            for (digest, lane) in digests.iter_mut().zip(lanes) {
                digest[place..place + 8].copy_from_slice(&lane.to_be_bytes());
            }
        }
        digests
    }

    /// One more block of each message.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn take_in(state: &mut [__m256i; 8], blocks: [&[u8; BLOCK]; LANES]) {
        let mut schedule = [_mm256_setzero_si256(); 16];
        for (number, words) in schedule.iter_mut().enumerate() {
            let word = |lane: usize| i64::from_be_bytes(blocks[lane].as_chunks().0[number]);
            *words = _mm256_set_epi64x(word(3), word(2), word(1), word(0));
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
        for (sixteen, constants) in ROUNDS.as_chunks::<16>().0.iter().enumerate() {
            // Names are turned instead of values: eight rounds bring each back to its own.
            macro_rules! round {
                ($at:expr, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident) => {
                    let words = add(schedule[$at], all(constants[$at]));
                    let first = add(add($h, words), add(great_sigma_1($e), choice($e, $f, $g)));
                    $d = add($d, first);
                    $h = add(first, add(great_sigma_0($a), majority($a, $b, $c)));
                    if sixteen < 4 {
                        let old = add(schedule[$at], small_sigma_0(schedule[($at + 1) % 16]));
                        let new = add(schedule[($at + 9) % 16], small_sigma_1(schedule[($at + 14) % 16]));
                        schedule[$at] = add(old, new);
                    }
                };
            }
            macro_rules! eight_rounds {
                ($at:expr) => {
                    round!($at, a, b, c, d, e, f, g, h);
                    round!($at + 1, h, a, b, c, d, e, f, g);
                    round!($at + 2, g, h, a, b, c, d, e, f);
                    round!($at + 3, f, g, h, a, b, c, d, e);
                    round!($at + 4, e, f, g, h, a, b, c, d);
                    round!($at + 5, d, e, f, g, h, a, b, c);
                    round!($at + 6, c, d, e, f, g, h, a, b);
                    round!($at + 7, b, c, d, e, f, g, h, a);
                };
            }
            eight_rounds!(0);
            eight_rounds!(8);
        }
        for (word, more) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *word = add(*word, more);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn all(word: u64) -> __m256i {
        _mm256_set1_epi64x(word.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(one: __m256i, other: __m256i) -> __m256i {
        _mm256_add_epi64(one, other)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn xor(one: __m256i, other: __m256i, third: __m256i) -> __m256i {
        _mm256_xor_si256(_mm256_xor_si256(one, other), third)
    }

    /// To the right by `RIGHT` bits; `LEFT` is what is missing to 64.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotated<const RIGHT: i32, const LEFT: i32>(words: __m256i) -> __m256i {
        const { assert!(RIGHT + LEFT == 64) };
        _mm256_or_si256(_mm256_srli_epi64::<RIGHT>(words), _mm256_slli_epi64::<LEFT>(words))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn great_sigma_0(words: __m256i) -> __m256i {
        xor(rotated::<28, 36>(words), rotated::<34, 30>(words), rotated::<39, 25>(words))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn great_sigma_1(words: __m256i) -> __m256i {
        xor(rotated::<14, 50>(words), rotated::<18, 46>(words), rotated::<41, 23>(words))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn small_sigma_0(words: __m256i) -> __m256i {
        xor(rotated::<1, 63>(words), rotated::<8, 56>(words), _mm256_srli_epi64::<7>(words))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn small_sigma_1(words: __m256i) -> __m256i {
        xor(rotated::<19, 45>(words), rotated::<61, 3>(words), _mm256_srli_epi64::<6>(words))
    }

    /// Bits of `if_set` where `of` has one, else those of `if_not`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn choice(of: __m256i, if_set: __m256i, if_not: __m256i) -> __m256i {
        _mm256_xor_si256(if_not, _mm256_and_si256(of, _mm256_xor_si256(if_set, if_not)))
    }

    /// What two of the three have.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn majority(one: __m256i, other: __m256i, third: __m256i) -> __m256i {
        let either = _mm256_and_si256(one, _mm256_xor_si256(other, third));
        _mm256_xor_si256(either, _mm256_and_si256(other, third))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha512};

    use super::*;

    fn library(message: &[Bytes]) -> [u8; 64] {
        let mut hasher = Sha512::new();
        message.iter().for_each(|piece| hasher.update(piece));
        hasher.finalize().into()
    }

    proptest! {
        #[test]
        fn as_the_library_has_it(blocks in prop::collection::vec(0_usize..9, 0..4), seed in any::<u64>()) {
            let mut state = seed;
            let mut byte = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            let mut message = || -> Vec<Bytes> {
                blocks.iter().map(|blocks| (0..blocks * BLOCK).map(|_| byte()).collect()).collect()
            };
            let messages = [message(), message(), message(), message()];
            let expected = vectors::is_available().then(|| messages.each_ref().map(|message| library(message)));
            prop_assert_eq!(digests(messages.each_ref().map(|message| &message[..])), expected);
        }
    }

    #[test]
    fn only_messages_that_are_alike() {
        let pieces =
            |lengths: &[usize]| -> Vec<Bytes> { lengths.iter().map(|length| vec![7; *length].into()).collect() };
        let (whole, cut, other) = (pieces(&[256, 128]), pieces(&[256, 100]), pieces(&[128, 256]));
        let is_hashed = |last: &[Bytes], rest: &[Bytes]| digests([rest, rest, rest, last]).is_some();
        assert_eq!(is_hashed(&whole, &whole), vectors::is_available());
        assert!(!is_hashed(&other, &whole) && !is_hashed(&cut, &cut) && !is_hashed(&whole[..1], &whole));
    }
}
