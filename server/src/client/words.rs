//! Arguments that are words of the API's own types, or sizes.

use aurochs_api::describe::Described;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::SizeText;
use clap::ValueEnum;
use clap::builder::PossibleValuesParser;

/// The words of a type; clap tells them in its help and refuses others.
pub(super) fn of<T: Described>() -> PossibleValuesParser {
    PossibleValuesParser::new(T::OPTIONS.iter().copied().filter(|word| !word.is_empty()))
}

/// Bytes, or a quantity such as 10Gi.
pub(super) fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|error: aurochs_api::size::SizeError| error.to_string())
}

/// As a body takes it; empty for none.
pub(super) fn size_text(size: Option<ByteSize>) -> SizeText {
    SizeText(size.map(|size| size.bytes().to_string()).unwrap_or_default())
}

/// `KEY=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    if key.is_empty() { Err(format!("{text:?} has no key")) } else { Ok((key.to_owned(), value.to_owned())) }
}

/// A switch that can be turned either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

impl Switch {
    pub(super) fn is_on(self) -> bool {
        self == Self::On
    }
}

/// For tables.
pub(super) const fn yes_or_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
