//! What can go wrong with a target, sorted by what has to be done about it.

use std::fmt;
use std::io;

use nix::libc;

/// What kind of thing went wrong. Each has its own next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The object is not there. The target is.
    NotFound,
    /// The bucket, container or directory that the URL names is not there.
    NoBucket,
    /// The credentials are good and don't allow this.
    Denied,
    /// There are no credentials, or wrong ones.
    Credentials,
    /// The clocks of this machine and of the server differ too much.
    ClockSkew,
    /// The server's name or address leads nowhere, or the connection broke.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The server's certificate is not trusted.
    Certificate,
    /// The target, or a quota on it, is full.
    NoSpace,
    /// An NFS or CIFS share can't be mounted, or is mounted no more.
    Mount,
    /// What was read is not what was written.
    Damaged,
    Other,
}

impl ErrorKind {
    /// Whether the same request may succeed a little later without anybody doing anything.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unreachable | Self::Timeout | Self::Mount)
    }

    fn next_step(self) -> &'static str {
        match self {
            Self::NotFound => "list the target again; somebody else may have deleted it",
            Self::NoBucket => "create it, or correct the target's URL",
            Self::Denied => "allow these credentials to list, get, put and delete objects there",
            Self::Credentials => "correct the target's credentials",
            Self::ClockSkew => "set the clock of this machine (time synchronisation), or that of the server",
            Self::Unreachable => {
                "check that the server runs, its name and port, and the network, firewalls and proxies in between"
            }
            Self::Timeout => {
                "check that the server runs and is not overloaded, and the network in between; then try again"
            }
            Self::Certificate => {
                "put the certificate of the authority that signed the server's into the target's credentials (AWS_CERT, \
                 AZBLOB_CERT)"
            }
            Self::NoSpace => "free space there: delete backups that are not needed, or enlarge the target or its quota",
            Self::Mount => "check that the server runs and exports this path to this machine, and the target's URL",
            Self::Damaged => "check the target's storage; restore from another backup",
            Self::Other => "check the target and the manager's log",
        }
    }
}

/// Why something could not be done with a target. Holds no secret and no signed URL, so that it may be shown to anybody.
#[derive(Clone, Debug)]
pub struct StoreError(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    verb: &'static str,
    what: String,
    why: String,
    next_step: Option<String>,
    is_given_up: bool,
}

impl StoreError {
    /// "cannot `verb` `what`: `why`".
    pub(crate) fn new(kind: ErrorKind, verb: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, verb, what: what.into(), why: why.into(), next_step: None, is_given_up: false }))
    }

    /// With a next step of its own, better than that of its kind.
    pub(crate) fn with_next_step(mut self, next_step: impl Into<String>) -> Self {
        self.0.next_step = Some(next_step.into());
        self
    }

    /// The server was waited for as long as makes sense.
    pub(crate) fn given_up(mut self) -> Self {
        self.0.is_given_up = true;
        self
    }

    /// The failure of a system call on a file.
    pub(crate) fn io(verb: &'static str, what: impl Into<String>, error: &io::Error) -> Self {
        let kind = kind_of_io(error);
        let this = Self::new(kind, verb, what, plain_io(error));
        match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => {
                this.with_next_step("allow the user that this process runs as to read and write this directory")
            }
            Some(libc::EROFS) => this.with_next_step("make the file system writable: check its mount options and disk"),
            _ => this,
        }
    }

    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call would wait in vain now, also where it may succeed later.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.0.is_given_up
    }

    /// What was tried, in one word: `open`, `mount`, `list`, `get`, `put`, `look up`, `remove`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.verb
    }

    /// What it was tried on: a path below the target, or the target.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.what
    }

    /// Why it failed, without what was tried and what to do.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.why
    }

    /// What a person should do. Part of `Display` too.
    #[must_use]
    pub fn next_step(&self) -> &str {
        self.0.next_step.as_deref().unwrap_or(self.0.kind.next_step())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { verb, what, why, .. } = self.0.as_ref();
        write!(formatter, "cannot {verb} {what}: {why}; {}", self.next_step())
    }
}

impl std::error::Error for StoreError {}

fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.raw_os_error() {
        Some(libc::ENOENT) => ErrorKind::NotFound,
        Some(libc::ENOSPC | libc::EDQUOT) => ErrorKind::NoSpace,
        Some(libc::EACCES | libc::EPERM | libc::EROFS) => ErrorKind::Denied,
        Some(libc::ETIMEDOUT) => ErrorKind::Timeout,
        Some(libc::ESTALE | libc::ENOTCONN | libc::EHOSTDOWN) => ErrorKind::Mount,
        Some(libc::ECONNREFUSED | libc::ECONNRESET | libc::EHOSTUNREACH | libc::ENETUNREACH) => ErrorKind::Unreachable,
        _ => ErrorKind::Other,
    }
}

/// The system's words, without the number that Rust puts behind them.
pub(crate) fn plain_io(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
