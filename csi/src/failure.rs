//! Why a call is not answered as wished, and the gRPC code that the caller gets for it.

use std::fmt;

use tonic::{Code, Status};

/// What kind of failure it is; [`Kind::code`] is the one table of gRPC codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value can't be used.
    Invalid,
    NotFound,
    /// There is one of that name, and it is another.
    Exists,
    /// A size that can't be had.
    OutOfRange,
    /// The state of the thing does not allow it, and does not change by itself.
    WrongState,
    /// Something else is being done with it; the same call works in a while.
    Busy,
    /// The manager, or what it needs, does not answer now.
    Unavailable,
    TimedOut,
    /// The manager does not know us.
    Unauthenticated,
    /// The manager knows us and we may not do it.
    Forbidden,
    NotOffered,
    Internal,
}

impl Kind {
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::NotFound => Code::NotFound,
            Self::Exists => Code::AlreadyExists,
            Self::OutOfRange => Code::OutOfRange,
            Self::WrongState => Code::FailedPrecondition,
            Self::Busy => Code::Aborted,
            Self::Unavailable => Code::Unavailable,
            Self::TimedOut => Code::DeadlineExceeded,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
            Self::NotOffered => Code::Unimplemented,
            Self::Internal => Code::Internal,
        }
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    /// What was tried, on what, and why it failed.
    pub message: String,
    /// What to do next; empty when there is nothing to do.
    pub next_step: String,
}

impl Failure {
    #[must_use]
    pub fn new(kind: Kind, message: impl fmt::Display, next_step: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string(), next_step: next_step.to_string() }
    }

    /// A value of the request that can't be used.
    #[must_use]
    pub fn invalid(message: impl fmt::Display, next_step: impl fmt::Display) -> Self {
        Self::new(Kind::Invalid, message, next_step)
    }

    /// A field of the request that has to be there.
    #[must_use]
    pub fn missing(field: &str) -> Self {
        Self::invalid(format_args!("{field} is missing from the request"), "")
    }

    #[must_use]
    pub fn no_volume(name: &str) -> Self {
        Self::new(Kind::NotFound, format_args!("there is no volume {name}"), "")
    }

    #[must_use]
    pub fn busy(message: impl fmt::Display) -> Self {
        Self::new(Kind::Busy, message, "It is tried again by itself.")
    }

    #[must_use]
    pub fn wrong_state(message: impl fmt::Display, next_step: impl fmt::Display) -> Self {
        Self::new(Kind::WrongState, message, next_step)
    }

    /// Something of this machine failed.
    #[must_use]
    pub fn internal(message: impl fmt::Display, next_step: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, message, next_step)
    }

    /// The same failure as one of another kind.
    #[must_use]
    pub fn as_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    #[must_use]
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if self.next_step.is_empty() { Ok(()) } else { write!(formatter, " (next: {})", self.next_step) }
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        Self::new(failure.kind.code(), failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_what_to_do() {
        let status = Status::from(Failure::wrong_state("volume a is in use", "Unmount it."));
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.message(), "volume a is in use (next: Unmount it.)");
        assert_eq!(Failure::missing("name").to_string(), "name is missing from the request");
    }
}
