//! A place in an image.

use std::fmt;

use super::error::BrowseError;
use super::name_text;

/// Deeper ones are not looked for.
pub(super) const DEPTH_MAXIMUM: usize = 256;
/// Of one name, in bytes; FAT's longest names of 255 UTF-16 units fit.
pub(super) const NAME_MAXIMUM: usize = 1024;

/// Names from the root on, without `.` and `..`. Names are bytes, as ext4 has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagePath(Vec<Vec<u8>>);

impl ImagePath {
    /// Slashes too many and a missing one in front do no harm.
    ///
    /// # Errors
    /// [`BrowseError::BadPath`] for `..`, NUL, and what is too long.
    pub fn parse(text: &[u8]) -> Result<Self, BrowseError> {
        let bad = |why| BrowseError::BadPath { path: String::from_utf8_lossy(text).into_owned(), why };
        let mut names = Vec::new();
        for name in text.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
            match name {
                b".." => return Err(bad("a path goes down from the root; leave out \"..\"")),
                name if name.contains(&0) => return Err(bad("there are no names with a NUL")),
                name if name.len() > NAME_MAXIMUM => return Err(bad("a name in it is too long")),
                name => names.push(name.to_vec()),
            }
        }
        if names.len() > DEPTH_MAXIMUM {
            return Err(bad("it is too deep"));
        }
        Ok(Self(names))
    }

    #[must_use]
    pub fn names(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// The last name; none for the root.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.0.last().map(Vec::as_slice)
    }

    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let mut names = self.0.clone();
        names.push(name.to_vec());
        Self(names)
    }
}

/// As text that leads back to it ([`name_text::meant`]), also where a name is no UTF-8.
impl fmt::Display for ImagePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("/");
        }
        self.0.iter().try_for_each(|name| write!(formatter, "/{}", name_text::shown(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_down() {
        let path = ImagePath::parse(b"//etc/./nginx/").unwrap();
        assert_eq!(path.to_string(), "/etc/nginx");
        assert_eq!(path.name(), Some(&b"nginx"[..]));
        assert_eq!(ImagePath::parse(b"").unwrap().to_string(), "/");
        assert!(ImagePath::parse(b"/etc/../shadow").is_err());
        assert!(ImagePath::parse(b"/a\0b").is_err());
        assert!(ImagePath::parse("/a".repeat(DEPTH_MAXIMUM + 1).as_bytes()).is_err());
    }
}
