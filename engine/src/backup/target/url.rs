//! URLs of targets, and of backups in them.
//!
//! | kind | URL |
//! |---|---|
//! | S3 | `s3://<bucket>@<region>/<path>` or `s3://<bucket>/<path>` |
//! | NFS | `nfs://<server>:/<path>[?nfsOptions=a,b]` |
//! | CIFS | `cifs://<server>/<share>/<path>[?cifsOptions=a,b]` |
//! | Azure | `azblob://<container>[@<endpoint suffix>]/<path>` |
//! | local | `vfs:///<path>` |
//!
//! A backup is named by the URL of its target with `backup=<name>&volume=<volume>` behind it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// The URL of a target. It is kept as it was written, since others compare and store it as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetUrl {
    text: String,
    place: Place,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `prefix` has no `/` at either end and may be empty.
    S3 {
        bucket: String,
        region: Option<String>,
        prefix: String,
    },
    /// `suffix` is that of the endpoint, such as `core.windows.net`.
    Azure {
        container: String,
        suffix: Option<String>,
        prefix: String,
    },
    /// `path` begins with `/`. No options: the defaults.
    Nfs {
        server: String,
        path: String,
        options: Option<String>,
    },
    /// `path` begins with `/` and the name of the share.
    Cifs {
        server: String,
        path: String,
        options: Option<String>,
    },
    Local {
        path: PathBuf,
    },
}

/// Why a text is no URL of a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no URL of a backup target: {why}; write it like {example}")]
pub struct UrlError {
    text: String,
    why: String,
    example: &'static str,
}

/// Where Azure's storage is unless a URL says something else.
const AZURE_SUFFIX: &str = "core.windows.net";

const S3_EXAMPLE: &str = "s3://bucket@region/path";
const NFS_EXAMPLE: &str = "nfs://server:/path";
const CIFS_EXAMPLE: &str = "cifs://server/share/path";
const AZURE_EXAMPLE: &str = "azblob://container@core.windows.net/path";
const LOCAL_EXAMPLE: &str = "vfs:///path";
const ANY_EXAMPLE: &str = "s3://bucket@region/path, nfs://server:/path, cifs://server/share, azblob://container@core.windows.net/path or vfs:///path";

impl TargetUrl {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether both lead to one place: mount options, slashes too many and the case of a server's name make no difference.
    /// (Two regions of a bucket do: they may be the names that people gave to two stores of their own.)
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.place.plain() == other.place.plain()
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for TargetUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = plain_ampersands(text.trim());
        let place = Place::parse(&text)?;
        Ok(Self { text, place })
    }
}

/// The parts of a URL before anything is known of its kind.
struct Parts<'a> {
    text: &'a str,
    example: &'static str,
    user: Option<String>,
    host: String,
    /// Decoded; with its first `/`, or empty.
    path: String,
    query: Vec<(String, String)>,
}

impl Place {
    /// Without what does not matter to where it leads.
    fn plain(&self) -> Self {
        let server = |server: &str| server.to_ascii_lowercase();
        let plain = |path: &str| path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        match self.clone() {
            Self::Nfs { server: name, path, .. } => {
                Self::Nfs { server: server(&name), path: plain(&path), options: None }
            }
            Self::Cifs { server: name, path, .. } => {
                Self::Cifs { server: server(&name), path: plain(&path), options: None }
            }
            Self::Azure { container, suffix, prefix } => {
                let suffix = Some(suffix.unwrap_or_else(|| AZURE_SUFFIX.to_owned()));
                Self::Azure { container, suffix, prefix }
            }
            // Prefixes have no slashes too many, and paths compare without them.
            other @ (Self::S3 { .. } | Self::Local { .. }) => other,
        }
    }

    fn parse(text: &str) -> Result<Self, UrlError> {
        let refuse = |why: &str| UrlError { text: shown(text), why: why.to_owned(), example: ANY_EXAMPLE };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refuse("it has no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        let parts = |example| Parts::of(text, rest, example);
        match scheme.as_str() {
            "s3" => parts(S3_EXAMPLE)?.s3(),
            "nfs" => parts(NFS_EXAMPLE)?.nfs(),
            "cifs" => parts(CIFS_EXAMPLE)?.cifs(),
            "azblob" => parts(AZURE_EXAMPLE)?.azure(),
            "vfs" => parts(LOCAL_EXAMPLE)?.local(),
            other => Err(refuse(&format!("the scheme {other:?} is not known"))),
        }
    }
}

impl<'a> Parts<'a> {
    fn of(text: &'a str, rest: &str, example: &'static str) -> Result<Self, UrlError> {
        let refuse = |why: &str| UrlError { text: shown(text), why: why.to_owned(), example };
        if text.chars().any(char::is_control) {
            return Err(refuse("it has control characters"));
        }
        if rest.contains('#') {
            return Err(refuse("it has a fragment (#)"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let decode = |part: &str| match percent_decode_str(part).decode_utf8() {
            Ok(decoded) if decoded.contains(char::is_control) => Err(refuse("it has control characters")),
            Ok(decoded) => Ok(decoded.into_owned()),
            Err(_) => Err(refuse("it is not UTF-8")),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(decode(user)?), host),
            None => (None, authority),
        };
        // Secrets belong into the credentials; in a URL they would be shown everywhere.
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            return Err(refuse("it has a password; put that into the target's credentials"));
        }
        let path = decode(path)?;
        if path.split('/').any(|part| part == ".." || part == ".") {
            return Err(refuse("its path has \".\" or \"..\""));
        }
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self { text, example, user, host: decode(host)?, path, query })
    }

    fn refuse(&self, why: &str) -> UrlError {
        UrlError { text: shown(self.text), why: why.to_owned(), example: self.example }
    }

    fn s3(self) -> Result<Place, UrlError> {
        let (bucket, region, prefix) = self.bucket("bucket")?;
        Ok(Place::S3 { bucket, region, prefix })
    }

    fn azure(self) -> Result<Place, UrlError> {
        let (container, suffix, prefix) = self.bucket("container")?;
        Ok(Place::Azure { container, suffix, prefix })
    }

    /// `<bucket>@<where>/<path>` or `<bucket>/<path>`. The path has to be there, as Longhorn wants it.
    fn bucket(&self, what: &str) -> Result<(String, Option<String>, String), UrlError> {
        let (bucket, place) = match &self.user {
            Some(user) => (user, Some(self.host.clone())),
            None => (&self.host, None),
        };
        if bucket.is_empty() {
            return Err(self.refuse(&format!("it names no {what}")));
        }
        if place.as_ref().is_some_and(String::is_empty) {
            return Err(self.refuse("there is nothing behind the @"));
        }
        if self.path.is_empty() {
            return Err(self.refuse("it has no path; the least is a / at its end"));
        }
        self.no_query(&[])?;
        let parts: Vec<&str> = self.path.split('/').filter(|part| !part.is_empty()).collect();
        Ok((bucket.clone(), place, parts.join("/")))
    }

    fn nfs(self) -> Result<Place, UrlError> {
        let options = self.options("nfsOptions")?;
        let server = self.host.strip_suffix(':').unwrap_or(&self.host).to_owned();
        self.share(&server)?;
        Ok(Place::Nfs { server, path: self.path, options })
    }

    fn cifs(self) -> Result<Place, UrlError> {
        let options = self.options("cifsOptions")?;
        let server = self.host.strip_suffix(':').unwrap_or(&self.host).to_owned();
        self.share(&server)?;
        if self.path.trim_matches('/').is_empty() {
            return Err(self.refuse("it names no share"));
        }
        Ok(Place::Cifs { server, path: self.path, options })
    }

    /// Both names go to mount(8) as they are, so neither may look like one of its options.
    fn share(&self, server: &str) -> Result<(), UrlError> {
        if self.user.is_some() {
            return Err(self.refuse("it names a user; put that into the target's credentials"));
        }
        if server.is_empty() || server.starts_with('-') || server.contains([' ', ',']) {
            return Err(self.refuse("it names no server"));
        }
        if self.path.is_empty() {
            return Err(self.refuse("it has no path"));
        }
        Ok(())
    }

    fn local(self) -> Result<Place, UrlError> {
        if self.user.is_some() || !self.host.is_empty() {
            return Err(self.refuse("a local path begins with a third /"));
        }
        if self.path.is_empty() {
            return Err(self.refuse("it has no path"));
        }
        self.no_query(&[])?;
        Ok(Place::Local { path: PathBuf::from(self.path) })
    }

    /// The mount options under `name`: a list with commas, or the name several times.
    fn options(&self, name: &str) -> Result<Option<String>, UrlError> {
        self.no_query(&[name])?;
        let lists: Vec<&str> =
            self.query.iter().map(|(_, value)| value.as_str()).filter(|list| !list.is_empty()).collect();
        Ok((!lists.is_empty()).then(|| lists.join(",")))
    }

    fn no_query(&self, allowed: &[&str]) -> Result<(), UrlError> {
        match self.query.iter().find(|(name, _)| !allowed.contains(&name.as_str())) {
            Some((name, _)) => Err(self.refuse(&format!("it does not have an option {name:?}"))),
            None => Ok(()),
        }
    }
}

/// The text for messages, without what may be a password.
fn shown(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => {
            let name = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{name}:***{}", &rest[user.len()..])
        }
        _ => text.to_owned(),
    }
}

/// JSON of Go programs writes `&` as an escape, which people copy.
fn plain_ampersands(text: &str) -> String {
    text.replace("\\u0026", "&").replace("u0026", "&")
}

/// The URL of something in a target: a backup, a volume, a backing image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupUrl {
    pub target: TargetUrl,
    pub backup: Option<String>,
    pub volume: Option<String>,
    pub backing_image: Option<String>,
}

impl BackupUrl {
    #[must_use]
    pub fn backup(target: TargetUrl, volume: &str, backup: &str) -> Self {
        Self { target, backup: Some(backup.to_owned()), volume: Some(volume.to_owned()), backing_image: None }
    }

    #[must_use]
    pub fn volume(target: TargetUrl, volume: &str) -> Self {
        Self { target, backup: None, volume: Some(volume.to_owned()), backing_image: None }
    }

    #[must_use]
    pub fn backing_image(target: TargetUrl, name: &str) -> Self {
        Self { target, backup: None, volume: None, backing_image: Some(name.to_owned()) }
    }
}

impl fmt::Display for BackupUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [("backingImage", &self.backing_image), ("backup", &self.backup), ("volume", &self.volume)];
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in names {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        let target = self.target.as_str();
        let mark = if target.contains('?') { "&" } else { "?" };
        if query.is_empty() { formatter.write_str(target) } else { write!(formatter, "{target}{mark}{query}") }
    }
}

impl FromStr for BackupUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = plain_ampersands(text.trim());
        let (base, query) = text.split_once('?').unwrap_or((&text, ""));
        let (mut backup, mut volume, mut backing_image) = (None, None, None);
        // The target's own options are kept as they were written.
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).into_owned().next() else { continue };
            match name.as_str() {
                "backup" => backup = Some(value),
                "volume" => volume = Some(value),
                "backingImage" => backing_image = Some(value),
                _ => rest.push(pair),
            }
        }
        let target = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        Ok(Self { target: target.parse()?, backup, volume, backing_image })
    }
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
