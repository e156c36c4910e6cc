//! NFS and CIFS shares as mount(8) wants them: pure functions.
//!
//! | | type | device | options when the URL has none |
//! |---|---|---|---|
//! | NFS | `nfs4` | `server:/path` | `nfsvers=4.2`, then 4.1, then 4.0, each with `actimeo=1,soft,timeo=300,retry=2` |
//! | CIFS | `cifs` | `//server/share/path` | `soft` |
//!
//! Options in the URL replace all of these. Mount points are Longhorn's: the server with `_` for every `.`, then the path.

use std::io;
use std::path::{Path, PathBuf};

use nix::libc;

use super::answer::Failure;
use super::fault::{ErrorKind, plain_io};

/// A share of a file server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) kind: Kind,
    pub(crate) server: String,
    /// Begins with `/`.
    pub(crate) path: String,
    pub(crate) options: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nfs,
    Cifs,
}

impl Kind {
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Nfs => "nfs4",
            Self::Cifs => "cifs",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nfs => "NFS",
            Self::Cifs => "CIFS",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Nfs => "nfs-common (Debian) or nfs-utils",
            Self::Cifs => "cifs-utils",
        }
    }

    fn module(self) -> &'static str {
        match self {
            Self::Nfs => "nfsv4",
            Self::Cifs => "cifs",
        }
    }
}

impl Share {
    /// What is mounted.
    pub(crate) fn device(&self) -> String {
        match self.kind {
            Kind::Nfs => format!("{}:{}", self.server, self.path),
            Kind::Cifs => format!("//{}{}", self.server, self.path),
        }
    }

    /// The options to try, one after the other.
    pub(crate) fn options(&self) -> Vec<String> {
        match (self.kind, &self.options) {
            (_, Some(options)) => vec![options.clone()],
            (Kind::Cifs, None) => vec!["soft".to_owned()],
            (Kind::Nfs, None) => {
                let versions = ["4.2", "4.1", "4.0"];
                versions.map(|version| format!("nfsvers={version},actimeo=1,soft,timeo=300,retry=2")).into()
            }
        }
    }

    /// Where it is mounted, below `mounts`.
    pub(crate) fn mount_point(&self, mounts: &Path) -> PathBuf {
        let parts = self.path.split('/').filter(|part| !part.is_empty());
        parts.fold(mounts.join(self.server.replace('.', "_")), |place, part| place.join(part))
    }

    /// Whether `mount`, found where this share belongs, is this share.
    pub(crate) fn is(&self, mount: &Mount) -> bool {
        let same_kind = match self.kind {
            Kind::Nfs => matches!(mount.type_name.as_str(), "nfs" | "nfs4"),
            Kind::Cifs => matches!(mount.type_name.as_str(), "cifs" | "smb3"),
        };
        same_kind && mount.device.trim_end_matches('/') == self.device().trim_end_matches('/')
    }

    /// What mount(8) means by its words. `has_helper`: whether the program for this type is installed.
    pub(crate) fn explain(&self, words: &str, has_helper: bool) -> Failure {
        let (server, name) = (&self.server, self.kind.name());
        let has = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
        let failure = Failure::new;
        // A missing helper is hidden behind "bad option" and the like.
        if !has_helper {
            let (type_name, package) = (self.kind.type_name(), self.kind.package());
            return failure(
                ErrorKind::Mount,
                format!("this machine has no {name} tools: mount.{type_name} is missing"),
            )
            .with_next_step(format!("install {package} on this machine"));
        }
        if has(&["No such device", "unknown filesystem type", "not configured in kernel"]) {
            return failure(ErrorKind::Mount, format!("this machine's kernel has no {name} client"))
                .with_next_step(format!("load it (modprobe {}), or use a kernel that has it", self.kind.module()));
        }
        if has(&["Connection refused", "Host is down", "error(111)", "error(112)"]) {
            return failure(ErrorKind::Unreachable, format!("{server} runs no {name} server"))
                .with_next_step(format!("start the {name} server on {server}, or correct the server's name"));
        }
        if has(&["resolve", "Name or service not known", "name resolution", "address not found"]) {
            return failure(ErrorKind::Unreachable, format!("the name {server} is not known here"))
                .with_next_step("correct the server's name in the target's URL, or this machine's name servers");
        }
        if has(&["No route to host", "unreachable", "error(113)"]) {
            return failure(ErrorKind::Unreachable, format!("there is no way to {server}"));
        }
        if has(&["timed out", "error(110)", "error(115)"]) {
            return self.no_answer();
        }
        if has(&["must be superuser", "only root", "not permitted", "error(1)"]) {
            return failure(ErrorKind::Denied, "this process may not mount, or the server does not let it".to_owned())
                .with_next_step(format!(
                    "run as root (in a container: privileged), and let {server} export to this machine"
                ));
        }
        if has(&["No such file or directory", "error(2)", "error(6)"]) {
            return failure(ErrorKind::NoBucket, format!("{server} has no {}", self.path))
                .with_next_step("create that directory and export it, or correct the path in the target's URL");
        }
        if has(&["error(13)", "LOGON_FAILURE", "error(126)", "error(127)"]) && self.kind == Kind::Cifs {
            return failure(ErrorKind::Credentials, format!("{server} does not accept this user and password"))
                .with_next_step("correct CIFS_USERNAME and CIFS_PASSWORD in the target's credentials");
        }
        if has(&["access denied", "Permission denied"]) {
            return failure(ErrorKind::Denied, format!("{server} does not let this machine mount {}", self.path))
                .with_next_step(format!("export {} to this machine on {server}", self.path));
        }
        if has(&["Protocol not supported", "version or transport protocol is not supported", "error(95)"]) {
            return failure(ErrorKind::Mount, format!("{server} does not speak a version of {name} that is asked for"))
                .with_next_step(format!("name a version that {server} speaks in the options of the target's URL"));
        }
        if has(&["bad option", "incorrect mount option", "Invalid argument", "error(22)"]) {
            return failure(ErrorKind::Mount, format!("the options are refused: {}", one_line(words)))
                .with_next_step("correct the options in the target's URL");
        }
        failure(ErrorKind::Mount, format!("mount says: {}", one_line(words)))
    }

    /// What an error of a file below the mount means; `None` where it means what it does on any disk.
    pub(crate) fn explain_io(&self, error: &io::Error) -> Option<Failure> {
        match error.raw_os_error()? {
            // The kernel says no more of a server that did not answer in time than of one whose disk is broken.
            libc::EIO
            | libc::EAGAIN
            | libc::ETIMEDOUT
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::ENOTCONN
            | libc::ECONNREFUSED
            | libc::ECONNRESET
            | libc::ECONNABORTED => {
                let words = plain_io(error);
                let why = format!("{} does not answer, or can't use its own disk ({words})", self.who());
                Some(Failure::new(ErrorKind::Unreachable, why))
            }
            libc::EACCES | libc::EPERM => {
                let failure = Failure::new(ErrorKind::Denied, "the server does not allow it".to_owned());
                Some(failure.with_next_step(self.permission()))
            }
            libc::EROFS => {
                let failure = Failure::new(ErrorKind::Denied, "it is read-only".to_owned());
                Some(failure.with_next_step(format!("let {} export {} for writing", self.server, self.path)))
            }
            _ => None,
        }
    }

    /// How somebody gets to write there.
    fn permission(&self) -> String {
        let Self { server, path, .. } = self;
        match self.kind {
            Kind::Nfs => format!(
                "export {path} on {server} with no_root_squash, or give it there to the user that root is made into (nobody)"
            ),
            Kind::Cifs => format!("let CIFS_USERNAME of the target's credentials read and write {path} on {server}"),
        }
    }

    /// Who has it, for people.
    pub(crate) fn who(&self) -> String {
        format!("the {} server {}", self.kind.name(), self.server)
    }

    pub(crate) fn no_answer(&self) -> Failure {
        Failure::new(ErrorKind::Timeout, format!("{} does not answer", self.who()))
    }
}

fn one_line(words: &str) -> String {
    let line: Vec<&str> = words.split_whitespace().collect();
    let line = line.join(" ");
    if line.is_empty() { "nothing".to_owned() } else { line.chars().take(300).collect() }
}

/// A line of `/proc/self/mountinfo` (proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) place: PathBuf,
    pub(crate) type_name: String,
    pub(crate) device: String,
}

/// What is mounted at `place`, the uppermost last.
pub(crate) fn mounts_at(place: &Path, mountinfo: &str) -> Vec<Mount> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (before, behind) = line.split_once(" - ")?;
        let at = before.split(' ').nth(4)?;
        let mut behind = behind.split(' ');
        let (type_name, device) = (behind.next()?.to_owned(), unescaped(behind.next()?));
        Some(Mount { place: PathBuf::from(unescaped(at)), type_name, device })
    });
    mounts.filter(|mount| mount.place == place).collect()
}

/// The kernel writes blanks and backslashes as `\` and three octal digits.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, letter)| text.replace(escaped, letter))
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
