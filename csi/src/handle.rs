//! Ids of CSI's snapshots: what kind of thing it is, and where. Longhorn's texts, so that what it made is found.
//!
//! | text | is |
//! | --- | --- |
//! | `snap://<volume>/<snapshot>` | a snapshot inside of the installation |
//! | `bak://<volume>/<backup>`, older `bs://…` | a backup |
//! | `bi://backing?backingImage=<name>&backingImageDataSourceType=<type>&…` | a backing image, with what it is made of |

use std::collections::BTreeMap;
use std::fmt;

use crate::failure::{Failure, Kind};

/// Where a backing image is made from when there is none of the name, and what its file has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    pub name: String,
    /// `download`, `export-from-volume` …; empty when the image has to be there.
    pub source_type: String,
    pub checksum: String,
    /// What the source needs: `url`, or `export-type` and `volume-name`.
    pub parameters: BTreeMap<String, String>,
}

/// What a snapshot's id means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handle {
    Snapshot { volume: String, snapshot: String },
    Backup { volume: String, backup: String },
    Image(Image),
}

const NAME: &str = "backingImage";
const SOURCE_TYPE: &str = "backingImageDataSourceType";
const CHECKSUM: &str = "backingImageChecksum";

impl Handle {
    /// # Errors
    /// [`Kind::NotFound`] for a text that is no id of ours, [`Kind::Invalid`] for one of a kind that is not known.
    pub fn parse(id: &str) -> Result<Self, Failure> {
        let none = || Failure::new(Kind::NotFound, format_args!("there is no snapshot {id:?}"), "");
        let (kind, rest) = id.split_once("://").ok_or_else(none)?;
        match kind {
            "snap" => {
                let (volume, snapshot) = pair(rest).ok_or_else(none)?;
                Ok(Self::Snapshot { volume, snapshot })
            }
            "bak" | "bs" => {
                let (volume, backup) = pair(rest).ok_or_else(none)?;
                Ok(Self::Backup { volume, backup })
            }
            "bi" => Image::parse(rest).map(Self::Image).ok_or_else(none),
            _ => Err(Failure::invalid(
                format_args!("the snapshot {id:?} is of no kind that is known"),
                "The kinds are snap://, bak:// and bi://.",
            )),
        }
    }
}

fn pair(text: &str) -> Option<(String, String)> {
    let (first, second) = text.split_once('/')?;
    let is_good = !first.is_empty() && !second.is_empty() && !second.contains('/');
    is_good.then(|| (first.to_owned(), second.to_owned()))
}

impl fmt::Display for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot { volume, snapshot } => write!(formatter, "snap://{volume}/{snapshot}"),
            Self::Backup { volume, backup } => write!(formatter, "bak://{volume}/{backup}"),
            Self::Image(image) => write!(formatter, "bi://backing?{}", image.query()),
        }
    }
}

impl Image {
    fn parse(text: &str) -> Option<Self> {
        let (_, query) = text.split_once('?')?;
        let mut all: BTreeMap<String, String> = query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (key, value) = part.split_once('=').unwrap_or((part, ""));
                Some((decoded(key)?, decoded(value)?))
            })
            .collect::<Option<_>>()?;
        let name = all.remove(NAME).filter(|name| !name.is_empty())?;
        let source_type = all.remove(SOURCE_TYPE).unwrap_or_default();
        let checksum = all.remove(CHECKSUM).unwrap_or_default();
        Some(Self { name, source_type, checksum, parameters: all })
    }

    /// By key, as Longhorn's are.
    fn query(&self) -> String {
        let own = [(NAME, &self.name), (SOURCE_TYPE, &self.source_type), (CHECKSUM, &self.checksum)];
        let own = own.into_iter().filter(|(_, value)| !value.is_empty());
        let mut all: BTreeMap<&str, &str> = own.map(|(key, value)| (key, value.as_str())).collect();
        all.extend(self.parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let parts = all.into_iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value)));
        parts.collect::<Vec<_>>().join("&")
    }
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn longhorns_texts() {
        let backup = Handle::Backup { volume: "v".into(), backup: "backup-1".into() };
        assert_eq!(Handle::parse("bs://v/backup-1"), Ok(backup.clone()));
        assert_eq!(Handle::parse("bak://v/backup-1"), Ok(backup.clone()));
        assert_eq!(backup.to_string(), "bak://v/backup-1");
        let export = "bi://backing?backingImage=snapshot-1&backingImageDataSourceType=export-from-volume&export-type=raw&\
                      volume-name=vol";
        let Ok(Handle::Image(image)) = Handle::parse(export) else { panic!("{export}") };
        assert_eq!((image.name.as_str(), image.source_type.as_str()), ("snapshot-1", "export-from-volume"));
        assert_eq!(image.parameters["volume-name"], "vol");
        assert_eq!(Handle::Image(image).to_string(), export);
        let download = "bi://backing?backingImageDataSourceType=download&backingImage=n&url=https%3A%2F%2Fa%2Fb+c&\
                        backingImageChecksum=ab";
        let Ok(Handle::Image(image)) = Handle::parse(download) else { panic!("{download}") };
        assert_eq!((image.parameters["url"].as_str(), image.checksum.as_str()), ("https://a/b c", "ab"));
    }

    #[test]
    fn what_is_no_handle() {
        for (id, kind) in [
            ("non-existing-snapshot-id", Kind::NotFound),
            ("", Kind::NotFound),
            ("snap://v", Kind::NotFound),
            ("snap:///s", Kind::NotFound),
            ("snap://v/", Kind::NotFound),
            ("bak://v/b/c", Kind::NotFound),
            ("bi://backing", Kind::NotFound),
            ("bi://backing?backingImage=", Kind::NotFound),
            ("bi://backing?backingImage=%zz", Kind::NotFound),
            ("lvm://v/s", Kind::Invalid),
        ] {
            assert_eq!(Handle::parse(id).unwrap_err().kind, kind, "{id}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(name in ".{1,20}", checksum in ".{0,9}", key in "[a-z-]{1,9}", value in ".{0,20}") {
            let image = Image { name, source_type: "download".into(), checksum, parameters: [(key, value)].into() };
            let handle = Handle::Image(image);
            prop_assert_eq!(Handle::parse(&handle.to_string()), Ok(handle));
        }

        #[test]
        fn no_text_does_harm(text in ".{0,60}") {
            let _ = Handle::parse(&format!("bi://backing?{text}"));
            let _ = Handle::parse(&text);
        }
    }
}
