//! A long list as pieces that are kept compressed and made again only when something in them changed.
//!
//! Five thousand volumes are some thirty megabytes of JSON, most of it links. Writing and compressing that for each
//! request would take longer than anybody waits; keeping it whole would take as much memory for every address that
//! clients know us by. A piece holds about [`PIECE_ITEMS`] neighbours, compressed to a few percent. Which neighbours
//! share a piece follows from their names alone, so that a new item changes one piece and not all behind it.

pub mod gzip;

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use gzip::Piece;

/// On average; a piece ends behind a name whose hash says so.
const PIECE_ITEMS: u64 = 64;
/// A piece ends here whatever the names are, so that no choice of names makes a piece of everything.
const PIECE_ITEMS_MAXIMUM: usize = 256;
/// Addresses that clients know us by, for which pieces are kept. The one that was asked for longest ago goes.
const ADDRESSES_MAXIMUM: usize = 4;

/// An item of the list before it is written.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub name: &'a str,
    /// Differs whenever the item's text may differ.
    pub fingerprint: u64,
}

/// The list, ready to be sent.
#[derive(Clone, Debug)]
pub struct Pieced {
    head: Bytes,
    pieces: Vec<Arc<Piece>>,
    tail: &'static [u8],
    fingerprint: u64,
}

/// Pieces by address and fingerprint.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    addresses: Arc<Mutex<VecDeque<Address>>>,
    /// Other for each process: a list of a version that writes things otherwise is another list.
    hashes: RandomState,
}

#[derive(Debug)]
struct Address {
    base: String,
    pieces: HashMap<u64, Arc<Piece>>,
}

/// What stands before and behind the items of a JSON object whose last field is an empty list.
#[must_use]
pub fn around(mut text: String) -> (Vec<u8>, &'static [u8]) {
    const TAIL: &str = "]}";
    text.truncate(text.len().saturating_sub(TAIL.len()));
    (text.into_bytes(), TAIL.as_bytes())
}

impl Cache {
    /// The list of these items between `head` and `tail`, separated by commas. `write` appends the item of this index
    /// as JSON; it is called for items of changed pieces only. Blocks for as long as writing and compressing take.
    pub fn list(
        &self,
        base: &str,
        head: Vec<u8>,
        tail: &'static [u8],
        items: &[Item<'_>],
        mut write: impl FnMut(usize, &mut Vec<u8>),
    ) -> Pieced {
        let known = self.take(base);
        let mut pieces = Vec::new();
        let mut kept = HashMap::new();
        let mut whole = self.hashes.build_hasher();
        head.hash(&mut whole);
        let mut first = 0;
        for length in lengths(items) {
            let members = first..first + length;
            first += length;
            let fingerprint = fingerprint(&items[members.clone()]);
            fingerprint.hash(&mut whole);
            let piece = known.get(&fingerprint).cloned().unwrap_or_else(|| Arc::new(compress(members, &mut write)));
            kept.insert(fingerprint, piece.clone());
            pieces.push(piece);
        }
        self.keep(Address { base: base.to_owned(), pieces: kept });
        Pieced { head: head.into(), pieces, tail, fingerprint: whole.finish() }
    }

    /// What is known under this address. It is taken out, so that two at once don't wait for each other; the later
    /// one does the work again.
    fn take(&self, base: &str) -> HashMap<u64, Arc<Piece>> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.iter().find(|address| address.base == base).map(|found| found.pieces.clone()).unwrap_or_default()
    }

    fn keep(&self, address: Address) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.retain(|known| known.base != address.base);
        addresses.push_front(address);
        addresses.truncate(ADDRESSES_MAXIMUM);
    }
}

fn compress(members: std::ops::Range<usize>, write: &mut impl FnMut(usize, &mut Vec<u8>)) -> Piece {
    let mut text = Vec::new();
    let first = members.start;
    for index in members {
        if index > first {
            text.push(b',');
        }
        write(index, &mut text);
    }
    Piece::compress(&text)
}

/// How many items each piece has.
fn lengths(items: &[Item<'_>]) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut length = 0;
    for item in items {
        length += 1;
        if length == PIECE_ITEMS_MAXIMUM || hash(item.name).is_multiple_of(PIECE_ITEMS) {
            lengths.push(length);
            length = 0;
        }
    }
    if length > 0 {
        lengths.push(length);
    }
    lengths
}

fn fingerprint(items: &[Item<'_>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for item in items {
        item.name.hash(&mut hasher);
        item.fingerprint.hash(&mut hasher);
    }
    hasher.finish()
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Pieced {
    /// Differs from that of a list with another text.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Bytes of the text.
    #[must_use]
    pub fn text_length(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(|piece| piece.text_length()).sum();
        self.head.len() + pieces + self.pieces.len().saturating_sub(1) + self.tail.len()
    }

    /// The whole as a gzip file.
    #[must_use]
    pub fn gzip(&self) -> Bytes {
        let mut file = gzip::File::new();
        file.stored(&self.head);
        for (index, piece) in self.pieces.iter().enumerate() {
            if index > 0 {
                file.stored(b",");
            }
            file.piece(piece);
        }
        file.stored(self.tail);
        file.finish().into()
    }

    /// The text, part by part: no more than a piece of it exists at a time.
    pub fn parts(self) -> impl Iterator<Item = Bytes> {
        let comma = |index: usize| (index > 0).then(|| Bytes::from_static(b","));
        let pieces =
            self.pieces.into_iter().enumerate().flat_map(move |(index, piece)| [comma(index), Some(piece.text())]);
        std::iter::once(self.head).chain(pieces.flatten()).chain(std::iter::once(Bytes::from_static(self.tail)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn text(list: Pieced) -> String {
        String::from_utf8(list.parts().flatten().collect()).unwrap()
    }

    fn unzipped(list: &Pieced) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*list.gzip()).read_to_string(&mut text).unwrap();
        text
    }

    /// The list of these names and versions, and how many items had to be written for it.
    fn list(cache: &Cache, entries: &[(String, u64)]) -> (Pieced, usize) {
        let items: Vec<Item<'_>> = entries.iter().map(|(name, version)| Item { name, fingerprint: *version }).collect();
        let mut written = 0;
        let write = |index: usize, text: &mut Vec<u8>| {
            written += 1;
            let (name, version) = &entries[index];
            text.extend_from_slice(format!("{{\"name\":\"{name}\",\"version\":{version}}}").as_bytes());
        };
        let made = cache.list("http://a", b"[".to_vec(), b"]", &items, write);
        (made, written)
    }

    fn plain(entries: &[(String, u64)]) -> String {
        let items = entries.iter().map(|(name, version)| format!("{{\"name\":\"{name}\",\"version\":{version}}}"));
        format!("[{}]", items.collect::<Vec<_>>().join(","))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn whatever_changes_the_text_is_that_of_the_items(
            states in prop::collection::vec(prop::collection::btree_map("[a-c]{1,4}", 0..3_u64, 0..120), 1..6)
        ) {
            let cache = Cache::default();
            for state in states {
                let entries: Vec<(String, u64)> = state.into_iter().collect();
                let (made, _) = list(&cache, &entries);
                prop_assert_eq!(unzipped(&made), plain(&entries));
                prop_assert_eq!(made.text_length(), plain(&entries).len());
                prop_assert_eq!(text(made), plain(&entries));
            }
        }
    }

    #[test]
    fn a_change_writes_its_piece_again_and_no_other() {
        let cache = Cache::default();
        let mut entries: Vec<(String, u64)> = (0..2000).map(|number| (format!("volume-{number:04}"), 1)).collect();
        assert_eq!(list(&cache, &entries).1, 2000);
        let (before, written) = list(&cache, &entries);
        assert_eq!(written, 0);
        entries[1000].1 = 2;
        let (after, written) = list(&cache, &entries);
        assert!((1..=PIECE_ITEMS_MAXIMUM).contains(&written), "{written}");
        assert_ne!(before.fingerprint(), after.fingerprint());
        entries.insert(1, ("volume-0000-b".to_owned(), 1));
        let (grown, written) = list(&cache, &entries);
        assert!((1..=PIECE_ITEMS_MAXIMUM + 1).contains(&written), "{written}");
        assert_eq!(text(grown), plain(&entries));
    }
}
