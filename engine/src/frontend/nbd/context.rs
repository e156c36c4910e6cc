//! The one metadata context of an export: where it has data.

/// Its name, fixed by the protocol.
pub(super) const BASE_ALLOCATION: &str = "base:allocation";
/// Its number on a connection that selected it.
pub(super) const ALLOCATION_ID: u32 = 1;

/// Whether a client that looks around is shown it: no query asks for everything, a namespace alone for all of it.
pub(super) fn is_listed(queries: &[String]) -> bool {
    queries.is_empty() || queries.iter().any(|query| query == "base:" || query == BASE_ALLOCATION)
}

/// Whether a client selects it. Queries for what is not known here select nothing, which is no error.
pub(super) fn is_selected(queries: &[String]) -> bool {
    queries.iter().any(|query| query == BASE_ALLOCATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_takes_wildcards_and_selecting_does_not() {
        let queries = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (texts, listed, selected) in [
            (&[][..], true, false),
            (&["base:"], true, false),
            (&["qemu:", "base:allocation"], true, true),
            (&["base:other", "qemu:dirty-bitmap:x"], false, false),
        ] {
            assert_eq!((is_listed(&queries(texts)), is_selected(&queries(texts))), (listed, selected), "{texts:?}");
        }
    }
}
