//! The address of a backup target, as the parts that a person fills in: `docs/backup-targets.md` has the forms.
//!
//! What can't be taken apart and put together again without a difference is shown as the text that it is.

/// Where backups can lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    S3,
    Nfs,
    Cifs,
    Azure,
    Directory,
    /// The address as a text.
    Written,
}

/// An address in parts. Those that its place has no use for are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Bucket, container, server.
    pub(crate) host: String,
    /// Region of S3, suffix of Azure, share of CIFS.
    pub(crate) second: String,
    /// Without the slash at its beginning.
    pub(crate) path: String,
    /// Options of a mount, with commas between them.
    pub(crate) options: String,
}

impl Place {
    pub(crate) const ALL: [Self; 6] = [Self::S3, Self::Nfs, Self::Cifs, Self::Azure, Self::Directory, Self::Written];

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Nfs => "nfs",
            Self::Cifs => "cifs",
            Self::Azure => "azblob",
            Self::Directory => "vfs",
            Self::Written => "",
        }
    }

    pub(crate) fn from_key(key: &str) -> Self {
        Self::ALL.into_iter().find(|place| place.key() == key).unwrap_or(Self::Written)
    }

    /// Place and parts of an address.
    pub(crate) fn read(address: &str) -> (Self, Parts) {
        let address = address.trim();
        let read = address.split_once("://").and_then(|(scheme, rest)| {
            let place = Self::from_key(scheme);
            Some((place, place.parts(rest)?))
        });
        // An address that would come out as another one is not to be taken apart.
        read.filter(|(place, parts)| place.write(parts) == address).unwrap_or((Self::Written, Parts::default()))
    }

    fn parts(self, rest: &str) -> Option<Parts> {
        let none = Parts::default();
        let (before, options) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let options = match (options, self.option()) {
            (None, _) => String::new(),
            (Some(query), Some(name)) => query.strip_prefix(name)?.strip_prefix('=')?.to_owned(),
            (Some(_), None) => return None,
        };
        let (host, path) = match self {
            Self::Directory => ("", before.strip_prefix('/')?),
            Self::Nfs => before.split_once(":/")?,
            Self::Written => return None,
            _ => before.split_once('/')?,
        };
        let path = path.to_owned();
        Some(match self {
            Self::S3 | Self::Azure => {
                let (host, second) = host.split_once('@')?;
                Parts { host: host.to_owned(), second: second.to_owned(), path, ..none }
            }
            Self::Cifs => {
                let (share, path) = path.split_once('/').unwrap_or((&path, ""));
                Parts { host: host.to_owned(), second: share.to_owned(), path: path.to_owned(), options }
            }
            _ => Parts { host: host.to_owned(), path, options, ..none },
        })
    }

    fn option(self) -> Option<&'static str> {
        match self {
            Self::Nfs => Some("nfsOptions"),
            Self::Cifs => Some("cifsOptions"),
            _ => None,
        }
    }

    /// The address of these parts; empty for a written one.
    pub(crate) fn write(self, parts: &Parts) -> String {
        let (host, second) = (parts.host.trim(), parts.second.trim());
        let path = parts.path.trim().trim_start_matches('/');
        let options = match (self.option(), parts.options.trim()) {
            (Some(name), options) if !options.is_empty() => format!("?{name}={options}"),
            _ => String::new(),
        };
        match self {
            Self::S3 | Self::Azure => format!("{}://{host}@{second}/{path}", self.key()),
            Self::Nfs => format!("nfs://{host}:/{path}{options}"),
            Self::Cifs if path.is_empty() => format!("cifs://{host}/{second}{options}"),
            Self::Cifs => format!("cifs://{host}/{second}/{path}{options}"),
            Self::Directory => format!("vfs:///{path}"),
            Self::Written => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_out_as_they_went_in() {
        for (address, place) in [
            ("s3://bucket@eu-central-1/", Place::S3),
            ("s3://bucket@eu-central-1/longhorn/a", Place::S3),
            ("azblob://container@core.windows.net/", Place::Azure),
            ("nfs://nas.lan:/volume1/backups", Place::Nfs),
            ("nfs://nas.lan:/volume1?nfsOptions=nfsvers=4.2,soft", Place::Nfs),
            ("cifs://nas/share", Place::Cifs),
            ("cifs://nas/share/deep/er?cifsOptions=vers=3.0", Place::Cifs),
            ("vfs:///var/backups", Place::Directory),
        ] {
            let (read, parts) = Place::read(address);
            assert_eq!((read, read.write(&parts).as_str()), (place, address));
        }
        let (_, parts) = Place::read("cifs://nas/share/deep/er");
        assert_eq!((parts.second.as_str(), parts.path.as_str()), ("share", "deep/er"));
    }

    #[test]
    fn what_would_change_is_left_as_it_is() {
        for address in [
            "",
            "s3://bucket/",
            "nfs://nas/volume1",
            "s3://b@r/x?y=z",
            "nfs://nas:/x?other=1",
            "gs://b@r/",
            "vfs://x/y",
            "cifs://nas/share/",
        ] {
            assert_eq!(Place::read(address).0, Place::Written, "{address}");
        }
    }

    #[test]
    fn slashes_are_not_doubled() {
        let parts = Parts { path: "/var/backups".to_owned(), ..Parts::default() };
        assert_eq!(Place::Directory.write(&parts), "vfs:///var/backups");
    }
}
