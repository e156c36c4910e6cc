//! `Accept-Encoding` (RFC 9110, 12.5.3): which of the stored encodings a client prefers.

use axum::http::{HeaderMap, header};

/// An encoding in which a file may lie ready. In the order of our preference: smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// The word for `Content-Encoding`; identity has none.
    pub(crate) fn token(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    fn is_named(self, word: &str) -> bool {
        word.eq_ignore_ascii_case(self.token().unwrap_or("identity"))
            || (self == Self::Gzip && word.eq_ignore_ascii_case("x-gzip"))
    }
}

/// A weight as in `q=0.5`, in thousandths: the header allows three decimals. 0 means refused.
type Thousandths = u16;
const FULL: Thousandths = 1000;

/// The weights that a request gives to the encodings that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Preferences {
    weights: [Thousandths; Encoding::ALL.len()],
}

impl Preferences {
    pub(crate) fn of(request: &HeaderMap) -> Self {
        let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let wishes: Vec<(&str, Thousandths)> =
            values.flat_map(|value| value.split(',')).filter_map(parse_wish).collect();
        let named = |encoding: Encoding| wishes.iter().find(|(word, _)| encoding.is_named(word));
        let any_other = wishes.iter().find(|(word, _)| *word == "*");
        let weight = |encoding: Encoding| match (named(encoding).or(any_other), encoding) {
            (Some((_, weight)), _) => *weight,
            // Unnamed, identity is still acceptable, but nobody asked for it.
            (None, Encoding::Identity) => 1,
            (None, _) => 0,
        };
        Self { weights: Encoding::ALL.map(weight) }
    }

    /// Acceptable encodings, the most wanted first; among equals the smallest first.
    pub(crate) fn best_first(&self) -> impl Iterator<Item = Encoding> {
        let mut ranked: Vec<(Thousandths, Encoding)> =
            self.weights.into_iter().zip(Encoding::ALL).filter(|(weight, _)| *weight > 0).collect();
        ranked.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        ranked.into_iter().map(|(_, encoding)| encoding)
    }
}

/// `gzip;q=0.8` → ("gzip", 800). A weight that cannot be read counts as a refusal of that encoding only.
fn parse_wish(wish: &str) -> Option<(&str, Thousandths)> {
    let mut parts = wish.split(';').map(str::trim);
    let word = parts.next().filter(|word| !word.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((word, weight.map_or(FULL, parse_weight)))
}

fn parse_weight(text: &str) -> Thousandths {
    match text.trim().parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * f32::from(FULL)).round() as Thousandths,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn ranked(accept: Option<&'static str>) -> Vec<Encoding> {
        let headers = accept.map(|value| (header::ACCEPT_ENCODING, HeaderValue::from_static(value)));
        Preferences::of(&headers.into_iter().collect()).best_first().collect()
    }

    #[test]
    fn the_smallest_wins_among_equals() {
        use Encoding::{Brotli, Gzip, Identity};
        assert_eq!(ranked(Some("gzip, deflate, br")), [Brotli, Gzip, Identity]);
        assert_eq!(ranked(Some("*")), [Brotli, Gzip, Identity]);
        assert_eq!(ranked(Some("GZIP")), [Gzip, Identity]);
        assert_eq!(ranked(None), [Identity]);
        assert_eq!(ranked(Some("")), [Identity]);
    }

    #[test]
    fn weights_and_refusals_count() {
        use Encoding::{Brotli, Gzip, Identity};
        assert_eq!(ranked(Some("br;q=0.5, gzip;q=0.8")), [Gzip, Brotli, Identity]);
        assert_eq!(ranked(Some("br;q=0, *")), [Gzip, Identity]);
        assert_eq!(ranked(Some("identity, gzip; q=0.001")), [Identity, Gzip]);
        assert_eq!(ranked(Some("*;q=0")), []);
        assert_eq!(ranked(Some("br;q=high, gzip")), [Gzip, Identity]);
    }
}
