//! Names in a bucket that nobody can list: others may keep objects there whose keys have empty parts, `.`, `..` or
//! control characters, or end with `/` as the "folders" of consoles do. `object_store` refuses a whole page for one of
//! them; so they are taken out of the page first. No backup has such a name.
//!
//! S3: `<Contents><Key>…</Key>…</Contents>` and `<CommonPrefixes><Prefix>…</Prefix></CommonPrefixes>`; Azure:
//! `<Blob><Name>…</Name>…</Blob>` and `<BlobPrefix><Name>…</Name></BlobPrefix>`. None of these holds another of its kind.

use bytes::Bytes;
use http::Uri;

/// The element of an entry, the element in it that has the name, and whether the name ends with `/`.
const ENTRIES: [(&str, &str, bool); 4] = [
    ("Contents", "Key", false),
    ("CommonPrefixes", "Prefix", true),
    ("Blob", "Name", false),
    ("BlobPrefix", "Name", true),
];

/// Whether the answer to this request is a page of a listing.
pub(crate) fn is_listing(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|part| part == "list-type=2" || part == "comp=list")
}

/// The page without the entries that can't be used.
pub(crate) fn without(page: Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(&page) else { return page };
    let mut kept = None;
    for (entry, name, is_prefix) in ENTRIES {
        let now = kept.as_deref().unwrap_or(text);
        if let Some(less) = filter(now, entry, name, is_prefix) {
            kept = Some(less);
        }
    }
    kept.map_or(page, Bytes::from)
}

/// `None` when all stay, as nearly always.
fn filter(text: &str, entry: &str, name: &str, is_prefix: bool) -> Option<String> {
    let (open, close) = (format!("<{entry}>"), format!("</{entry}>"));
    let mut kept = String::new();
    // Up to here, `text` is in `kept` or left out.
    let mut done = 0;
    let mut at = 0;
    while let Some(start) = text[at..].find(&open).map(|found| at + found) {
        let Some(end) = text[start..].find(&close).map(|found| start + found + close.len()) else { break };
        if !is_usable(&text[start..end], name, is_prefix) {
            kept.push_str(&text[done..start]);
            done = end;
        }
        at = end;
    }
    (done > 0).then(|| kept + &text[done..])
}

fn is_usable(entry: &str, name: &str, is_prefix: bool) -> bool {
    let inside = entry.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once('<'));
    let Some((path, _)) = inside else { return true };
    let path = if is_prefix { path.strip_suffix('/').unwrap_or(path) } else { path };
    // A character reference to a control character: S3 writes them as such.
    let has_control = path.split("&#").skip(1).any(|reference| {
        let number = reference.split(';').next().unwrap_or_default();
        let value = match number.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
            None => number.parse(),
        };
        value.is_ok_and(|value| value < 32 || value == 127)
    });
    !has_control && !path.contains(char::is_control) && !path.split('/').any(|part| matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_are_left_out_and_the_others_stay() {
        let page = "<R><IsTruncated>false</IsTruncated><Prefix>p/</Prefix>\
            <Contents><Key>p/a.cfg</Key><Size>1</Size></Contents><Contents><Key>p//x</Key><Size>1</Size></Contents>\
            <Contents><Key>p/</Key></Contents><Contents><Key>p/a&#10;b</Key></Contents><Contents><Key>p/&amp;</Key></Contents>\
            <CommonPrefixes><Prefix>p/v/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>p//</Prefix></CommonPrefixes></R>";
        let kept = "<R><IsTruncated>false</IsTruncated><Prefix>p/</Prefix>\
            <Contents><Key>p/a.cfg</Key><Size>1</Size></Contents><Contents><Key>p/&amp;</Key></Contents>\
            <CommonPrefixes><Prefix>p/v/</Prefix></CommonPrefixes></R>";
        assert_eq!(without(Bytes::from(page)), kept);
        assert_eq!(without(Bytes::from(kept)), kept);
    }

    #[test]
    fn pages_of_azure_are_read_too() {
        let page = "<E><Blobs><Blob><Name>p/..</Name></Blob><Blob><Name>p/a</Name></Blob><BlobPrefix><Name>p/v/</Name></BlobPrefix></Blobs></E>";
        let kept = "<E><Blobs><Blob><Name>p/a</Name></Blob><BlobPrefix><Name>p/v/</Name></BlobPrefix></Blobs></E>";
        assert_eq!(without(Bytes::from(page)), kept);
    }

    proptest::proptest! {
        #[test]
        fn no_page_panics(page in "(<Contents>|</Contents>|<Key>|</Key>|<|&#x?[0-9a-f]{0,9};?|.){0,40}") {
            let _ = without(Bytes::from(page));
        }
    }
}
