//! The ranges with storage in one layer of a replica, page by page: whoever asks sends the requests.

use super::bulk::BulkLink;
use super::client::LinkError;
use super::control::{ControlReply, ControlRequest};

/// Ranges of one page. Some 100 KiB of JSON, which is read in a moment on both sides.
const PAGE: usize = 4096;

/// What to ask for next, and how far the answers have got.
///
/// ```text
/// while let Some(request) = pages.next_request() { pages.take(name, link.control(&request).await?)? … }
/// ```
pub(crate) struct ExtentPages {
    layer: String,
    /// Everything before this byte is known.
    from: u64,
    is_last: bool,
}

impl ExtentPages {
    pub(crate) fn of(layer: &str) -> Self {
        Self { layer: layer.to_owned(), from: 0, is_last: false }
    }

    /// `None` when everything is known.
    pub(crate) fn next_request(&self) -> Option<ControlRequest> {
        let request = || ControlRequest::LayerExtents { layer: self.layer.clone(), from: self.from, maximum: PAGE };
        (!self.is_last).then(request)
    }

    /// Byte from which on nothing is known yet.
    pub(crate) fn known_to(&self) -> u64 {
        self.from
    }

    /// Ranges `(offset, length)` in bytes, in order, behind those of the page before.
    pub(crate) fn take(&mut self, replica: &str, reply: ControlReply) -> Result<Vec<(u64, u64)>, LinkError> {
        let ControlReply::Extents(extents) = reply else {
            let cause = format!("answered a question for extents with {reply:?}");
            return Err(LinkError::Lost { replica: replica.to_owned(), cause });
        };
        match extents.last() {
            Some(&(offset, length)) if extents.len() >= PAGE => {
                let known_to = offset.saturating_add(length);
                if known_to <= self.from {
                    let cause = format!("told the extents of {} up to byte {known_to} again", self.layer);
                    return Err(LinkError::Lost { replica: replica.to_owned(), cause });
                }
                self.from = known_to;
            }
            _ => self.is_last = true,
        }
        Ok(extents)
    }
}

/// Bytes that one layer's ranges have together. (Its allocated blocks count the file system's own ones too.)
pub(crate) async fn held_bytes(link: &BulkLink, layer: &str) -> Result<u64, LinkError> {
    let (mut pages, mut bytes) = (ExtentPages::of(layer), 0);
    while let Some(request) = pages.next_request() {
        let extents = pages.take(link.name(), link.control(&request).await?)?;
        bytes += extents.iter().map(|(_, length)| length).sum::<u64>();
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(pages: &mut ExtentPages, extents: &[(u64, u64)]) -> Option<u64> {
        assert!(pages.next_request().is_some());
        assert_eq!(pages.take("r", ControlReply::Extents(extents.to_vec())).unwrap(), extents);
        match pages.next_request() {
            Some(ControlRequest::LayerExtents { from, .. }) => Some(from),
            other => other.map(|_| u64::MAX),
        }
    }

    #[test]
    fn a_full_page_is_followed_by_the_next_and_a_short_one_is_the_last() {
        let mut pages = ExtentPages::of("layer");
        let full: Vec<_> = (0..PAGE as u64).map(|at| (at * 8192, 4096)).collect();
        assert_eq!(page(&mut pages, &full), Some((PAGE as u64 - 1) * 8192 + 4096));
        assert_eq!(page(&mut pages, &[(1 << 30, 4096)]), None);
        assert_eq!(page(&mut ExtentPages::of("empty"), &[]), None);
    }

    #[test]
    fn an_answer_that_gets_no_further_is_no_end() {
        let mut pages = ExtentPages::of("layer");
        let full: Vec<_> = (0..PAGE as u64).map(|at| (at * 8192, 4096)).collect();
        page(&mut pages, &full);
        assert!(pages.take("r", ControlReply::Extents(full)).is_err());
        assert!(pages.take("r", ControlReply::Done).is_err());
    }
}
